"""Ends with 0 if the page answers at a port of this machine, else with 1: python health.py PORT.

Without the token the page refuses to show itself: that it says so is what counts.
"""

import sys
from http.client import HTTPConnection, HTTPException


def is_alive(port: int) -> bool:
    """Whether the page answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_alive(int(sys.argv[1])))
