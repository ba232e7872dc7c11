"""Who may see the page: only this machine, and only a browser that was given the token."""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "token"
"""The parameter of the address that carries the token."""

_REFUSED = "This page opens only with the whole address that “matseek desk” has printed, its token included."

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' {socket}; frame-ancestors 'none'; "
    "form-action 'self'; base-uri 'self'"
)
"""Nothing is loaded from elsewhere, and nothing is sent there; NiceGUI's scripts need to be evaluated."""


class Gate:
    """Lets requests through that carry the token, in the address or in the cookie that it is turned into.

    The token in the address becomes a cookie that scripts cannot read and other sites cannot use, and the address is
    shown without it. Requests under another name of this machine (DNS rebinding) and from pages of other sites
    are refused, WebSockets among them.

    Args:
        app: What is guarded.
        token: The token.
        port: The port that is listened on.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app = app
        self._token = token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        # Cookies do not tell ports apart: several pages may be open.
        self._cookie = f"matseek_desk_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request as ASGI has it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._is_from_here(headers) and self._has_cookie(headers):
            await self._app(scope, receive, self._guarded(send, headers["host"]))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif self._is_from_here(headers) and self._has_token(scope):
            response = RedirectResponse(scope["path"], status_code=303)
            response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/")
            response.headers["referrer-policy"] = "no-referrer"
            await response(scope, receive, send)
        else:
            await PlainTextResponse(_REFUSED, status_code=403)(scope, receive, send)

    def _is_from_here(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        return headers.get("host") in self._hosts and origin in (None, *(f"http://{host}" for host in self._hosts))

    def _has_cookie(self, headers: Headers) -> bool:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        return self._cookie in cookies and self._is_token(cookies[self._cookie].value)

    def _has_token(self, scope: Scope) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get(TOKEN, [""])
        return self._is_token(given[0])

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _guarded(self, send: Send, host: str) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = _POLICY.format(socket=f"ws://{host}")
                headers["referrer-policy"] = "no-referrer"
                headers["x-content-type-options"] = "nosniff"
            await send(message)

        return guarded
