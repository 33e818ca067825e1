"""Serve: find a port, tell the address, open a browser, and answer until somebody stops it."""

import contextlib
import ipaddress
import os
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from allfocus.errors import OptionError
from allfocus.studio.doorway import AT_ONCE, Doorway
from allfocus.studio.guard import Guard
from allfocus.studio.hub import Hub
from allfocus.studio.server import Server, find_assets
from allfocus.studio.session import Session
from allfocus.studio.shelf import Shelf, default_roots

#: Seconds that pages have to end their requests when the server stops.
LAST_SECONDS = 1


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens; raises `OptionError` where the address can't be had."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, number)
        if os.name == "posix":  # elsewhere it lets two programs have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()  # whoever is told the address may come at once
    except OSError as error:
        raise OptionError(f"host {host}, port {port}: {error.strerror}; choose another one") from error
    return listener


def serve(
    open_stack: Callable[[Session], object],
    *,
    roots: Sequence[Path] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    browser: bool = True,
    say: Callable[[str], object] = print,
) -> None:
    """Answer pages until the process is told to stop.

    Args:
        roots: folders below which pages may open files; none: see `default_roots`.
        open_stack: called with the session that the pages look at, before they may come.
        host: address to listen at; other than this machine's own it needs a token that somebody chose.
        port: 0: any that is free.
        token: the secret in the first address; None: a new one.
        browser: whether to open a browser.
        say: told the address.

    Raises:
        OptionError: an address that can't be had, or one that others can reach, without a token.
        MissingExtraError: the page was not built.
        AllFocusError: what `open_stack` raises.
    """
    assets = find_assets()
    if not is_loopback(host) and token is None:
        raise OptionError(f"host {host}: others could reach the page; choose a secret with --token")
    token = token or secrets.token_urlsafe(24)
    session = Session(Hub(), Shelf(roots or default_roots()))
    with contextlib.closing(open_socket(host, port)) as listener:
        hosts = frozenset({"127.0.0.1", "localhost", "::1", host.lower()}) if is_loopback(host) else frozenset[str]()
        guard = Guard(Server(session, assets).app(), token, hosts)
        config = uvicorn.Config(
            guard,
            http=Doorway,
            backlog=AT_ONCE,
            log_level="critical",
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=LAST_SECONDS,
            server_header=False,
        )
        try:
            open_stack(session)
            shown = f"[{host}]" if ":" in host else host
            address = f"http://{shown}:{listener.getsockname()[1]}/?token={token}"
            say(f"page: {address}")
            if browser:
                # others on this machine can read what a browser was started with: this address opens the page once
                once = f"http://{shown}:{listener.getsockname()[1]}/?token={guard.make_ticket()}"
                threading.Thread(target=open_browser, args=(once,), daemon=True).start()
            with contextlib.suppress(KeyboardInterrupt):
                Stoppable(config, session).run(sockets=[listener])
        finally:
            session.cancel()
            session.flush()
            session.shelf.clear()


def open_browser(address: str) -> None:
    """Open the page; without a browser nothing happens: the address was printed."""
    with contextlib.suppress(webbrowser.Error, OSError):
        webbrowser.open(address)


class Stoppable(uvicorn.Server):
    """A server that ends the streams of its pages when it is told to stop."""

    def __init__(self, config: uvicorn.Config, session: Session) -> None:
        super().__init__(config)
        self._session = session

    def handle_exit(self, sig: int, frame: object) -> None:
        """Called with SIGINT or SIGTERM."""
        self._session.hub.close()
        super().handle_exit(sig, frame)  # type: ignore[arg-type]
