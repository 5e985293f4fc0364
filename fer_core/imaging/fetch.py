"""A picture from a link, without letting the link reach anything but the public web.

The host name is resolved here, every address is checked, and the connection goes to exactly the
address that was checked: a second answer of the name server (DNS rebinding) is never asked for.
Redirects go through the same checks.
"""

import http.client
import io
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from fer_core.errors import BadInput

TIMEOUT_S = 10.0
MAX_BYTES = 20_000_000
MAX_REDIRECTS = 5

_PORTS = {"http": 80, "https": 443}
_CHUNK = 65_536
_REDIRECTS = (301, 302, 303, 307, 308)
_ORDINARY_IPV6 = ipaddress.ip_network("2000::/3")
"""All of the public IPv6 internet; mapped, NAT64 and site-local addresses lie outside. Source: RFC 4291."""

_REFUSED = (
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("2001::/32"),
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("168.63.129.16/32"),
)
"""Public by their numbers, yet not the public web: 6to4, Teredo, protocol and cloud-internal addresses."""

_PATIENCE_S = 4.0
"""Seconds for connecting to one of several addresses of a host."""

_PICTURE_LINK = "In a browser, right-click the picture and copy the picture's own link."

Resolve = Callable[[str, int], list[str]]
"""Addresses, as text, of a host name and port."""

Connect = Callable[[str, int, float], socket.socket]
"""A connected socket to (address, port) within so many seconds."""


def fetch_image(
    url: str,
    *,
    timeout_s: float = TIMEOUT_S,
    max_bytes: int = MAX_BYTES,
    _resolve: Resolve | None = None,
    _connect: Connect | None = None,
) -> bytes:
    """Download the bytes of a picture; `decode_image` reads them.

    Args:
        url: an http or https link on its usual port, without user name or password.
        timeout_s: seconds for everything together, redirects included.
        max_bytes: the most that is read.

    Raises:
        BadInput: the link is malformed, leads to a private address, fails, takes too long, is too
            large, or is no picture.
    """
    deadline = time.monotonic() + timeout_s
    try:
        for _ in range(MAX_REDIRECTS + 1):
            answer = _request(url, deadline, max_bytes, _resolve or _addresses, _connect or _connected)
            if isinstance(answer, bytes):
                return answer
            url = urljoin(url, answer)
    except TimeoutError as error:
        raise _bad(f"The link must answer within {timeout_s:g} seconds.", url, "Try again later.") from error
    except ssl.SSLError as error:
        raise _bad("The link's certificate must be valid.", url, "Use another link.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _bad("The link's server must answer properly.", url, "Check the link in a browser.") from error
    raise _bad(f"A link may redirect at most {MAX_REDIRECTS} times.", url, "Use the picture's own link.")


def check_address(address: str) -> None:
    """Refuse every address that is not on the public internet.

    Raises:
        BadInput: it is private, loopback, link-local, multicast, reserved, shared (CGNAT), or an
            IPv6 address that stands for an IPv4 one.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    public = ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)
    public = public and (ip.version == 4 or ip in _ORDINARY_IPV6)
    public = public and not any(ip in network for network in _REFUSED)
    if not public:
        raise BadInput(
            "A link must lead to the public web. "
            f"Received: one that leads to {address}. Download the picture and choose the file instead."
        )


def _request(url: str, deadline: float, max_bytes: int, resolve: Resolve, connect: Connect) -> bytes | str:
    """One hop: the picture's bytes, or where it redirects to."""
    parts = _checked(url)
    host, port = parts.hostname or "", _PORTS[parts.scheme]
    addresses = _within(deadline, resolve, host, port)
    # All of them, not only the one that is used: a name that mixes public and private is an attack.
    for address in addresses:
        check_address(address)
    with _first_that_connects(addresses, port, deadline, connect) as plain:
        plain.settimeout(_left(deadline))
        if parts.scheme == "http":
            return _exchange(plain, parts, url, deadline, max_bytes)
        with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured:
            return _exchange(secured, parts, url, deadline, max_bytes)


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # IPv4 first: many networks still give out IPv6 addresses that lead nowhere.
    return [str(entry[4][0]) for entry in sorted(found, key=lambda entry: entry[0] != socket.AF_INET)]


def _connected(address: str, port: int, timeout_s: float) -> socket.socket:
    return socket.create_connection((address, port), timeout_s)


def _within(deadline: float, resolve: Resolve, host: str, port: int) -> list[str]:
    """Resolve in a thread of its own: the system's resolver knows no time limit."""
    results: queue.SimpleQueue[list[str] | OSError | UnicodeError] = queue.SimpleQueue()

    def work() -> None:
        try:
            results.put(resolve(host, port))
        except (OSError, UnicodeError) as error:
            results.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        found = results.get(timeout=_left(deadline))
    except queue.Empty as error:
        raise TimeoutError from error
    if isinstance(found, Exception) or not found:
        raise _bad("The link's host must exist.", host, "Check the spelling and your internet connection.")
    return found


def _first_that_connects(addresses: list[str], port: int, deadline: float, connect: Connect) -> socket.socket:
    *others, last = addresses
    for address in others:
        try:
            return connect(address, port, min(_PATIENCE_S, _left(deadline)))
        except OSError:
            continue
    return connect(last, port, _left(deadline))


def _exchange(
    connection: socket.socket, parts: SplitResult, url: str, deadline: float, max_bytes: int
) -> bytes | str:
    """Ask for the path and read the answer, never past the deadline or the size."""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: FER-Studio\r\n"
        "Accept: image/*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )
    connection.sendall(request.encode("ascii"))
    response = http.client.HTTPResponse(_Watched(connection, deadline), method="GET")  # type: ignore[arg-type]
    response.begin()
    if response.status in _REDIRECTS and response.getheader("Location"):
        return response.getheader("Location", "")
    if response.status != 200:
        raise _bad(
            "The link's server must hand out the picture.",
            f"{url} (answer {response.status} {response.reason})",
            "Check the link in a browser.",
        )
    kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    if kind and not kind.startswith("image/") and kind != "application/octet-stream":
        raise _bad("A link must lead to a picture itself.", f"{url} ({kind})", _PICTURE_LINK)
    if kind == "image/svg+xml":
        raise _bad("A link must lead to a photo.", f"{url} (an SVG drawing)", "Use a JPEG or PNG.")
    return _body(response, url, deadline, max_bytes)


def _body(response: http.client.HTTPResponse, url: str, deadline: float, max_bytes: int) -> bytes:
    too_large = _bad(
        f"A picture from a link has at most {max_bytes / 1e6:g} MB.", url, "Use a smaller version of it."
    )
    if (response.length or 0) > max_bytes:
        raise too_large
    chunks, total = [], 0
    while chunk := response.read1(_CHUNK):
        total += len(chunk)
        if total > max_bytes:
            raise too_large
        chunks.append(chunk)
    if response.length:
        raise _bad("The link's server must send the whole picture.", url, "Try again.")
    if not total:
        raise _bad("A link must lead to a picture.", f"{url} (an empty answer)", _PICTURE_LINK)
    return b"".join(chunks)


def _checked(url: str) -> SplitResult:
    """The parts of a link whose form is safe."""
    remedy = "Copy the picture's own link: it starts with https://."
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in url):
        raise _bad("A link holds no blanks or control characters.", url, remedy)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _bad("A link must be well formed.", url, remedy) from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _bad("A link must start with http:// or https:// and name a host.", url, remedy)
    if parts.username is not None or parts.password is not None:
        raise _bad("A link holds no user name or password.", f"{parts.scheme}://…@{parts.hostname}", remedy)
    if port not in (None, _PORTS[parts.scheme]):
        raise _bad("A link uses the usual port (80 for http, 443 for https).", url, remedy)
    return parts._replace(
        netloc=f"[{parts.hostname}]" if ":" in parts.hostname else _ascii_host(parts.hostname, url),
        path=quote(parts.path, safe="/%:@!$&'()*+,;=~-._"),
        query=quote(parts.query, safe="/%:@!$&'()*+,;=~-._?"),
    )


def _ascii_host(host: str, url: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise _bad("A link must name a proper host.", url, "Check the spelling.") from error


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _bad(rule: str, received: str, remedy: str) -> BadInput:
    shown = received if len(received) <= 200 else received[:200] + "…"
    return BadInput(f"{rule} Received: {shown}. {remedy}")


class _Watched:
    """What http.client takes for a socket: every read keeps to one deadline, so that a server that
    sends a byte now and then cannot hold the caller longer than one that is silent."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection, self.deadline = connection, deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """The reading side, as http.client asks for it."""
        return io.BufferedReader(_Reader(self.connection, self.deadline))  # type: ignore[arg-type]


class _Reader(io.RawIOBase):
    """Reads a socket until a deadline."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection, self.deadline = connection, deadline

    def readable(self) -> bool:
        """True: io.BufferedReader asks."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Read at most len(buffer) bytes; TimeoutError past the deadline."""
        self.connection.settimeout(_left(self.deadline))
        return self.connection.recv_into(buffer)
