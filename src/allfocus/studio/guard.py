"""The guard: only pages of ours, on this machine, that know the token get an answer."""

import secrets
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse, RedirectResponse, Response

Scope = dict[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]

#: The digest of a style sheet that is empty: the one that may stand in the page itself, see index.html.
EMPTY_STYLE = b"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#: Headers of every answer: scripts, styles and pictures from here alone, and no page of others around ours.
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self' '" + EMPTY_STYLE + b"'; img-src 'self' blob: data:; "
        b"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class Guard:
    """ASGI middleware: checks Host, Origin and the token, and adds headers.

    The token comes once in the address, as ``?token=...``, and is a cookie from then on; a ticket may come in its
    place, once. The Host is checked since a foreign name may be made to point at this machine (DNS rebinding), the
    Origin since other pages may post here.

    Args:
        app: what is guarded.
        token: the secret.
        hosts: names and addresses, without a port, under which the page may be asked for; empty: any.
    """

    def __init__(self, app: App, token: str, hosts: frozenset[str]) -> None:
        self._app, self._token, self._hosts = app, token, hosts
        self._tickets: set[str] = set()

    def make_ticket(self) -> str:
        """A secret that lets one page in, and no other after it."""
        ticket = secrets.token_urlsafe(24)
        self._tickets.add(ticket)
        return ticket

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        refused = self._refuse(scope)
        await (self._app if refused is None else refused)(scope, receive, send_with_headers)

    def _refuse(self, scope: Scope) -> Response | None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if self._hosts and host_name(host) not in self._hosts:
            return PlainTextResponse("this page answers to its own address only\n", 403)
        origin = headers.get(b"origin")
        if origin is not None and origin.partition("://")[2] != host:
            return PlainTextResponse("requests from other pages are refused\n", 403)
        is_foreign = headers.get(b"sec-fetch-site", "none") not in ("none", "same-origin")
        if is_foreign and (scope["method"], scope["path"]) != ("GET", "/"):  # a link may open the page, and no more
            return PlainTextResponse("requests from other pages are refused\n", 403)
        return self._check_token(scope, headers)

    def _check_token(self, scope: Scope, headers: dict[bytes, str]) -> Response | None:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        name = cookie_name(scope)
        is_first = scope["path"] == "/" and scope["method"] == "GET"
        if given and is_first and (self._is_token(given) or self._is_ticket(given)):
            response = RedirectResponse("/", 303)
            response.set_cookie(name, self._token, httponly=True, samesite="strict", path="/")
            return response
        try:
            cookie = SimpleCookie(headers.get(b"cookie", ""))
        except CookieError:
            cookie = SimpleCookie()
        if name in cookie and self._is_token(cookie[name].value):
            return None
        return PlainTextResponse("open the address that allfocus studio printed, with its token\n", 401)

    def _is_ticket(self, given: str) -> bool:
        """Whether a ticket is good; it is used up then."""
        is_good = given in self._tickets
        self._tickets.discard(given)
        return is_good

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())


def cookie_name(scope: Scope) -> str:
    """The cookie's name; cookies know no ports, and two pages may be open."""
    return f"allfocus-{(scope.get('server') or ('', 0))[1]}"


def host_name(host: str) -> str:
    """The name or address in a Host header, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()
