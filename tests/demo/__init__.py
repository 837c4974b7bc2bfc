"""
`make demo`: a real Salt heals a real apache2, because a simulated Dynatrace raised a problem.

    POLL=1        without the webhook: the engine finds the problem by itself
    KILL=1        apache2 is killed as by `kill -9`, not stopped
    KEEP=1        everything is left running afterwards, with a note on how to look around
    APACHE=mine   an apache2 that runs here already may be stopped; it runs again in the end
    TRANSCRIPT=…  a file that also gets all that is printed; `make pictures` draws from it
"""
