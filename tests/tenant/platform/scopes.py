"""
The scopes of the platform, and what stands there for the scope of a classic token.

Pairs and "one of" are those of Dynatrace's own SDK; that for `InstallerDownload` is assumed.
"""

from __future__ import annotations

#: Scope of a classic token -> the platform's, of which one is enough.
ON_PLATFORM: dict[str, tuple[str, ...]] = {
    "problems.read": ("environment-api:problems:read",),
    "problems.write": ("environment-api:problems:write",),
    "problems.close": ("environment-api:problems:write", "openpipeline:events.davis:ingest"),
    "entities.read": ("environment-api:entities:read",),
    "events.ingest": (
        "environment-api:events:write",
        "storage:events:write",
        "openpipeline:events.davis:ingest",
    ),
    "bizevents.ingest": ("storage:events:write", "openpipeline:bizevents:ingest"),
    "settings.read": ("settings:objects:read",),
    "settings.write": ("settings:objects:write",),
    "credentialVault.read": ("environment-api:credentials:read",),
    "credentialVault.write": ("environment-api:credentials:write",),
    "InstallerDownload": ("environment-api:deployment:download",),
}
#: What reads problems in Grail.
READ_PROBLEMS = ("storage:events:read", "storage:buckets:read")
_READ_ENTITIES = ("storage:entities:read", "storage:smartscape:read")
_ENVIRONMENT = "platform-management:environments:read"
#: What an OAuth client has unless a test says otherwise.
CLIENT_SCOPES = (
    *READ_PROBLEMS,
    *_READ_ENTITIES,
    _ENVIRONMENT,
    "environment-api:problems:read",
    "environment-api:problems:write",
    "environment-api:entities:read",
)
#: What a platform token has: by documentation the scopes of `environment-api` cannot be given to it.
TOKEN_SCOPES = (*READ_PROBLEMS, *_READ_ENTITIES, _ENVIRONMENT)


def platform_scopes(scope: str) -> tuple[str, ...]:
    """
    Give the platform's scopes of which one opens what a scope stands for.
    """
    return ON_PLATFORM.get(scope, (scope,))
