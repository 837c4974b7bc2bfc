"""
The properties that entities may have, by their type, and those of the usual host and process.

The lists are documented, the values of a host captured, those of a process after Debian's apache2.
"""

from __future__ import annotations

from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Type -> its properties.
PROPERTIES: dict[str, frozenset[str]] = {
    "HOST": _words(
        "additionalSystemInfo bitness cloudType cpuCores customHostMetadata detectedName dnsNames"
        " hostGroupName hypervisorType installerPotentialProblem installerSupportAlert"
        " installerTrackedDownload installerVersion ipAddress isMonitoringCandidate"
        " logicalCpuCores memoryTotal monitoringMode networkZone oneAgentCustomHostName"
        " osArchitecture osServices osType osVersion physicalMemory softwareTechnologies"
        " standaloneSpecialAgentsOnly state"
    ),
    "PROCESS_GROUP_INSTANCE": _words(
        "appVersion awsNameTag azureHostName azureSiteName bitness boshName conditionalName"
        " customPgMetadata customizedName detectedName gardenApplicationNames gcpZone"
        " internalName isDockerized jvmClrVersion jvmVendor listenPorts metadata modules"
        " oneAgentCustomHostName processType softwareTechnologies versionedModules"
    ),
    "PROCESS_GROUP": _words(
        "conditionalName customPgMetadata customizedName detectedName listenPorts metadata"
        " oneAgentCustomHostName processType softwareTechnologies"
    ),
    "OS:SERVICE": _words("alerting display_name manufacturer name path startup_type status"),
    "SERVICE": _words(
        "agentTechnologyType className contextRoot customizedName detectedName internalName"
        " ipAddress mainServiceSoftwareTech port publicDomainName serviceTechnologyTypes"
        " serviceType softwareTechnologies webApplicationId webServerName webServiceName"
    ),
}

HOST: dict[str, Any] = {
    "bitness": "64",
    "cpuCores": 2,
    "installerPotentialProblem": False,
    "installerSupportAlert": False,
    "installerTrackedDownload": False,
    "installerVersion": "1.305.50.20250110-093218",
    "isMonitoringCandidate": False,
    "logicalCpuCores": 4,
    "memoryTotal": 8589934592,
    "monitoringMode": "FULL_STACK",
    "networkZone": "default",
    "oneAgentCustomHostName": "",
    "osArchitecture": "X86",
    "osType": "LINUX",
    "osVersion": "Debian GNU/Linux 12 (bookworm) (kernel 6.1.0-31-amd64)",
    "standaloneSpecialAgentsOnly": False,
    "state": "RUNNING",
}
DEBIAN = {
    "EXE_NAME": "apache2",
    "EXE_PATH": "/usr/sbin/apache2",
    "COMMAND_LINE_ARGS": "/usr/sbin/apache2 -k start",
    "APACHE_CONFIG_PATH": "/etc/apache2/apache2.conf",
}
