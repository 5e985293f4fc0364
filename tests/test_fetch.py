"""Pictures from links: the public web only, within a time and a size."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fer_core.errors import BadInput
from fer_core.imaging import fetch

PUBLIC = "93.184.215.14"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20


def answer(body: bytes = PICTURE, status: str = "200 OK", **headers: str) -> bytes:
    """A whole HTTP answer; header names are written with underscores."""
    lines = {"Content-Type": "image/png", "Content-Length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


class Web:
    """A pretended web: names with addresses, and one real local server that stands for all of them."""

    def __init__(self, port: int, asked: list[bytes]) -> None:
        self.port, self.asked = port, asked
        self.names: dict[str, list[str]] = {"pictures.example": [PUBLIC]}
        self.resolved: list[str] = []
        self.connected: list[str] = []

    def resolve(self, host: str, port: int) -> list[str]:
        self.resolved.append(host)
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self.names[host]

    def connect(self, address: str, port: int, timeout_s: float) -> socket.socket:
        self.connected.append(address)
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)

    def fetch(self, url: str = "http://pictures.example/a.png", **options: float) -> bytes:
        return fetch.fetch_image(url, _resolve=self.resolve, _connect=self.connect, **options)


@contextmanager
def serving(serve: Callable[[socket.socket, bytes], None]) -> Iterator[Web]:
    """A web whose server hands each connection and its request to `serve`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked: list[bytes] = []

        def handle(connection: socket.socket) -> None:
            with connection:
                try:
                    request = connection.recv(65_536)
                    asked.append(request)
                    serve(connection, request)
                except OSError:
                    pass  # the client left, which is what several tests are about

        def loop() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        threading.Thread(target=loop, daemon=True).start()
        yield Web(listener.getsockname()[1], asked)
        listener.shutdown(socket.SHUT_RDWR)


def always(reply: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, request: connection.sendall(reply)


def test_a_picture_arrives_and_the_server_is_asked_by_its_name():
    with serving(always(answer())) as web:
        assert web.fetch("http://pictures.example/a b.png".replace(" ", "%20") + "?size=ü") == PICTURE
        assert web.connected == [PUBLIC]
        assert web.asked[0].startswith(b"GET /a%20b.png?size=%C3%BC HTTP/1.1\r\nHost: pictures.example\r\n")


def test_chunked_and_unmeasured_answers_arrive_whole():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked += b"%x\r\n" % len(PICTURE) + PICTURE + b"\r\n0\r\n\r\n"
    with serving(always(chunked)) as web:
        assert web.fetch() == PICTURE
    with serving(always(answer(Content_Length=""))) as web:
        assert web.fetch() == PICTURE


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.5",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "192.0.0.192",
        "168.63.129.16",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_a_name_that_leads_to_a_private_address_is_refused_before_connecting(address):
    with serving(always(answer())) as web:
        web.names["inside.example"] = [address]
        with pytest.raises(BadInput, match="public web"):
            web.fetch("http://inside.example/a.png")
        assert web.connected == [] and web.asked == []


def test_one_private_address_among_public_ones_is_enough_to_refuse():
    with serving(always(answer())) as web:
        web.names["mixed.example"] = [PUBLIC, "10.0.0.1"]
        with pytest.raises(BadInput, match=r"10\.0\.0\.1"):
            web.fetch("http://mixed.example/a.png")
        assert web.connected == []


@pytest.mark.parametrize("address", ["8.8.8.8", PUBLIC, "2606:4700:4700::1111"])
def test_public_addresses_pass(address):
    fetch.check_address(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]"])
def test_loopback_in_any_spelling_is_refused_by_the_real_resolver(host):
    with pytest.raises(BadInput, match=r"public web|must exist"):
        fetch.fetch_image(f"http://{host}/a.png", timeout_s=3)


def test_the_name_is_resolved_once_for_each_hop():
    """A second look-up could give another, private address: DNS rebinding."""
    with serving(always(answer())) as web:
        answers = iter([[PUBLIC], ["127.0.0.1"]])
        assert (
            fetch.fetch_image(
                "http://rebinding.example/a.png", _resolve=lambda h, p: next(answers), _connect=web.connect
            )
            == PICTURE
        )
        assert web.connected == [PUBLIC]


def test_redirects_are_followed_and_checked():
    def serve(connection: socket.socket, request: bytes) -> None:
        moved = answer(b"", "302 Found", Location="/here.png")
        connection.sendall(answer() if b"/here.png" in request else moved)

    with serving(serve) as web:
        assert web.fetch() == PICTURE
        assert len(web.asked) == 2


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost/secret",
        "http://127.0.0.1/secret",
        "//inside.example/secret",
        "file:///etc/passwd",
        "http://pictures.example:6379/",
        "http://user:word@pictures.example/",
    ],
)
def test_a_redirect_cannot_leave_the_public_web(target):
    with serving(always(answer(b"", "301 Moved", Location=target))) as web:
        web.names |= {"localhost": ["127.0.0.1"], "127.0.0.1": ["127.0.0.1"], "inside.example": ["10.1.1.1"]}
        with pytest.raises(BadInput):
            web.fetch()
        assert web.connected == [PUBLIC]


def test_redirects_end():
    with serving(always(answer(b"", "302 Found", Location="/again"))) as web:
        with pytest.raises(BadInput, match="redirect at most 5"):
            web.fetch()
        assert len(web.asked) == 6


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.png",
        "ftp://pictures.example/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "http://",
        "http:///a.png",
        "http://pictures.example:8080/a.png",
        "https://pictures.example:80/a.png",
        "http://pictures.example:99999/a.png",
        "http://user@pictures.example/a.png",
        "http://user:word@pictures.example/a.png",
        "http://pictures.example/a b.png",
        "http://pictures.example/a\r\nX: y",
        "http://[::1/a.png",
        "http://" + "a" * 300 + ".example/",
        "http://a..example/",
    ],
)
def test_odd_links_are_refused_unasked(url):
    with serving(always(answer())) as web:
        with pytest.raises(BadInput):
            web.fetch(url)
        assert web.resolved == [] and web.connected == []


def test_a_password_in_a_link_is_not_repeated():
    with serving(always(answer())) as web, pytest.raises(BadInput) as refusal:
        web.fetch("http://user:hunter2@pictures.example/a.png")
    assert "hunter2" not in str(refusal.value)


def test_a_body_that_says_it_is_too_large_is_not_read():
    reply = answer(PICTURE, Content_Length="30000000")
    with serving(always(reply)) as web, pytest.raises(BadInput, match="at most 20 MB"):
        web.fetch()


def test_a_body_that_turns_out_too_large_is_cut_off():
    def serve(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
        for _ in range(10_000):
            connection.sendall(b"x" * 10_000)

    with serving(serve) as web, pytest.raises(BadInput, match="at most 0.1 MB"):
        web.fetch(max_bytes=100_000)


@pytest.mark.parametrize("where", ["silent", "status line", "headers", "body"])
def test_a_slow_server_cannot_hold_the_caller(where):
    def serve(connection: socket.socket, request: bytes) -> None:
        if where in ("headers", "body"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n")
        if where == "body":
            connection.sendall(b"\r\n")
        for _ in range(200):
            connection.sendall(b"" if where == "silent" else b"X")
            time.sleep(0.05)

    with serving(serve) as web:
        started = time.monotonic()
        with pytest.raises(BadInput, match="within 0.5 seconds"):
            web.fetch(timeout_s=0.5)
        assert time.monotonic() - started < 2


def test_a_slow_resolver_cannot_hold_the_caller():
    started = time.monotonic()
    with pytest.raises(BadInput, match="within 0.2 seconds"):
        fetch.fetch_image("http://slow.example/", timeout_s=0.2, _resolve=lambda h, p: time.sleep(3))
    assert time.monotonic() - started < 1.5


def test_the_next_address_is_tried_where_one_does_not_connect():
    with serving(always(answer())) as web:
        web.names["pictures.example"] = [PUBLIC, "8.8.8.8"]
        connect = web.connect

        def first_fails(address: str, port: int, timeout_s: float) -> socket.socket:
            if address == PUBLIC:
                raise ConnectionRefusedError
            return connect(address, port, timeout_s)

        web.connect = first_fails
        assert web.fetch() == PICTURE
        assert web.connected == ["8.8.8.8"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer(b"<html>", Content_Type="text/html; charset=utf-8"), "picture itself"),
        (answer(b"<svg/>", Content_Type="image/svg+xml"), "photo"),
        (answer(b"no", "404 Not Found"), "404"),
        (answer(b"", "204 No Content"), "204"),
        (answer(b""), "empty"),
        (answer(PICTURE, Content_Length=str(len(PICTURE) + 5)), "whole picture"),
        (b"", "properly"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "properly"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n", "properly"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "properly"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
            "properly",
        ),
    ],
)
def test_answers_that_are_no_picture_say_so(reply, words):
    with serving(always(reply)) as web, pytest.raises(BadInput, match=words):
        web.fetch()


def test_https_is_checked_like_a_browser_does():
    with serving(always(answer())) as web, pytest.raises(BadInput, match="certificate|properly"):
        web.fetch("https://pictures.example/a.png")


def test_an_unknown_host_says_so():
    with serving(always(answer())) as web, pytest.raises(BadInput, match="host must exist"):
        web.fetch("http://nowhere.example/a.png")
