"""Sends a client to the simulated exchanges: names and trust, and nothing else of it, are changed.

Python imports this before the client's first line, if its folder is in `PYTHONPATH`. `TICKWIRE_SIM`
is where the simulator listens, `TICKWIRE_HOSTS` a file of what `tickwire sim --hosts` prints, and
`SSL_CERT_FILE` the simulator's certificate authority.
"""

import os
import socket
import sys

SIM = os.environ.get("TICKWIRE_SIM")

if SIM:
    sim_ip, sim_port = SIM.rsplit(":", 1)
    with open(os.environ["TICKWIRE_HOSTS"]) as file:
        hosts = {name for line in file for name in line.split("#")[0].split()[1:]}
    resolve = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name in hosts:
            return resolve(sim_ip, int(sim_port), *args, **kwargs)
        if name in (None, "localhost", sim_ip):
            return resolve(host, port, *args, **kwargs)
        print(f"not simulated: {name}", file=sys.stderr)
        raise socket.gaierror(socket.EAI_NONAME, f"{name} is not simulated")

    socket.getaddrinfo = getaddrinfo
    sys.modules["aiodns"] = None  # It would ask a name server by itself.

    try:
        import certifi  # Some clients trust its list, whatever the environment says.
        certifi.where = lambda: os.environ["SSL_CERT_FILE"]
    except ImportError:
        pass
