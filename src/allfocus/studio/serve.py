"""Serve: find a port, tell the address, open a browser, and answer until somebody stops it.

The page comes first: it is shown, and its address told, while all that can fuse is being imported behind it.
"""

import contextlib
import gc
import ipaddress
import os
import secrets
import socket
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import uvicorn

from allfocus.errors import OptionError
from allfocus.run.install import extra
from allfocus.studio.doorway import AT_ONCE, Doorway
from allfocus.studio.front import Front, find_assets
from allfocus.studio.guard import Guard
from allfocus.studio.hub import Hub

if TYPE_CHECKING:
    from allfocus.studio.session import Session

#: Seconds that pages have to end their requests when the server stops.
LAST_SECONDS = 1
#: Seconds that a browser has to show the page, where what was typed can't be opened and the page is to say so.
TO_APPEAR = 5


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
    open_stack: "Callable[[Session], object]",
    *,
    begin_at_once: bool = True,
    roots: Sequence[Path] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    browser: bool = True,
    say: Callable[[str], object] = print,
) -> None:
    """Answer pages until the process is told to stop.

    Args:
        open_stack: called with the session that the pages look at, while they are on their way.
        begin_at_once: whether to tell the address before `open_stack` has returned.
        roots: folders below which pages may open files; none: see `default_roots`.
        host: address to listen at; other than this machine's own it needs a token that somebody chose.
        port: 0: any that is free.
        token: the secret in the first address; None: a new one.
        browser: whether to open a browser.
        say: told the address.

    Raises:
        OptionError: an address that can't be had, or one that others can reach, without a token.
        MissingExtraError: the page was not built.
        AllFocusError: what `open_stack` raises; pages that are open by then say it too.
    """
    assets = find_assets()
    if not is_loopback(host) and token is None:
        raise OptionError(f"host {host}: others could reach the page; choose a secret with --token")
    token = token or secrets.token_urlsafe(24)
    hub = Hub()
    with contextlib.closing(open_socket(host, port)) as listener:
        hosts = frozenset({"127.0.0.1", "localhost", "::1", host.lower()}) if is_loopback(host) else frozenset[str]()
        front = Front(hub, assets)
        guard = Guard(front.app(), token, hosts)
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
        server, patience = Stoppable(config, hub), TO_APPEAR if browser and begin_at_once else 0
        behind = Behind(open_stack, roots, hub, front, lambda: server.stop(patience))
        behind.start()
        try:
            if not begin_at_once:
                behind.wait()
            shown = f"[{host}]" if ":" in host else host
            address = f"http://{shown}:{listener.getsockname()[1]}/?token="
            say(f"page: {address}{token}")
            if browser:
                # others on this machine can read what a browser was started with: this address opens the page once
                Thread(target=open_browser, args=(address + guard.make_ticket(),), daemon=True).start()
            with contextlib.suppress(KeyboardInterrupt):
                server.run(sockets=[listener])
        finally:
            behind.end()
        behind.check()


def open_browser(address: str) -> None:
    """Open the page; without a browser nothing happens: the address was printed."""
    with contextlib.suppress(webbrowser.Error, OSError):
        webbrowser.open(address)


class Behind(Thread):
    """What lies behind the front: the session, imported and begun while the page is on its way.

    Args:
        open_stack, roots: see `serve`.
        hub: told what happens.
        front: shows the session as soon as there is one.
        stop: called where `open_stack` raises, after pages were told.
    """

    def __init__(
        self,
        open_stack: "Callable[[Session], object]",
        roots: Sequence[Path],
        hub: Hub,
        front: Front,
        stop: Callable[[], object],
    ) -> None:
        super().__init__(name="allfocus opening", daemon=True)
        self._open_stack, self._roots, self._hub, self._front, self._stop_all = open_stack, roots, hub, front, stop
        self._session: Session | None = None
        self._problem: BaseException | None = None

    def run(self) -> None:
        """Import, and open what was typed."""
        try:
            with extra("web", "the page"):
                self._begin()
            assert self._session is not None
            self._session.begin(self._open_stack)
        except BaseException as problem:  # whatever it is, `wait` raises it
            self._problem = problem
            self._hub.end(str(problem))
            self._stop_all()

    def _begin(self) -> None:
        gc.disable()  # among hundreds of modules that will stay it searches in vain, a sixth of the time
        try:
            from allfocus.studio.server import Server
            from allfocus.studio.session import Session
            from allfocus.studio.shelf import Shelf, default_roots

            self._session = Session(self._hub, Shelf(self._roots or default_roots()))
            self._front.let_in(Server(self._session).app())
        finally:
            gc.enable()

    def wait(self) -> None:
        """Wait until what was typed is open; raises what went wrong."""
        self.join()
        self.check()

    def check(self) -> None:
        """Raise what has gone wrong, if something has."""
        if self._problem is not None:
            raise self._problem

    def end(self) -> None:
        """Call off what is under way, and keep what was painted."""
        self.join(LAST_SECONDS)
        if self._session is not None:
            self._session.cancel()
            self._session.flush()
            self._session.shelf.clear()


class Stoppable(uvicorn.Server):
    """A server that ends the streams of its pages when it is told to stop."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    def stop(self, patience: float) -> None:
        """End, once a page was there to hear why, or after so many seconds; from any thread."""
        self._hub.heard.wait(patience)
        self._hub.close()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: object) -> None:
        """Called with SIGINT or SIGTERM."""
        self._hub.close()
        super().handle_exit(sig, frame)  # type: ignore[arg-type]
