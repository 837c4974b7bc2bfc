"""
`make demo`: a real Salt heals a real apache2 (or nginx), because a simulated Dynatrace raised a problem.

    SERVICE=nginx instead of apache2; the catalogue that is shipped has its remedy
    TENANT=platform  a tenant on the platform: the engine logs in by OAuth and reads Grail, and a workflow tells it
    POLL=1        without the webhook: the engine finds the problem by itself
    KILL=1        apache2 is killed as by `kill -9`, not stopped
    KEEP=1        everything is left running afterwards, with a note on how to look around
    APACHE=mine   the apache2 of this machine, which may be stopped; it is as it was in the end
    TRANSCRIPT=…  a file that also gets all that is printed; `make pictures` draws from it

It ends with the report of its problem, a file in the directory for temporary files, which stays.

Where apache2 is installed it plays apart from this machine, with an apache2 of its own. Without root it starts an
installed apache2 as this user, on another port, and Salt heals that without systemd.
"""
