"""Pages on this machine: who gets an answer, and who gets none."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from candlecast.errors import ConfigError
from candlecast.serving import Reply, Stream, serve


def answer(path, query):
    if path == "fails":
        raise ValueError("no page")
    if path == "events":
        return Stream(lambda closing: iter(["data: 1\n\n", "data: 2\n\n"]))
    return Reply(f"<p>{path} {dict(query)}") if path in ("", "a/b c") else None


@pytest.fixture(scope="module")
def address():
    with serve(answer) as found:
        yield found


def request(address: str, path: str, method: str = "GET", **headers: str):
    """Status, headers and content of one raw request."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(address).port)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    return response.status, response.headers, response.read().decode()


def test_a_page_is_given_with_its_fields_and_may_load_nothing_from_elsewhere(address):
    root = urlsplit(address).path
    status, headers, content = request(address, f"{root}a/b%20c?x=1&x=2&y=")
    assert (status, content) == (200, "<p>a/b c {'x': ['1', '2'], 'y': ['']}")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Referrer-Policy"] == "no-referrer" and headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY" and headers["X-Content-Type-Options"] == "nosniff"
    assert request(address, f"{root}none")[0] == 404


def test_only_the_token_leads_to_a_page(address):
    root = urlsplit(address).path
    assert len(root) > 20
    for path in ("/", "", "/a/b", root[:-2] + "/", root.rstrip("/"), f"/x{root}", "//", f"{root[:-1]}x/"):
        assert request(address, path)[0] == 404, path
    with serve(answer) as other:
        assert urlsplit(other).path != root


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("localhost", 200), ("localhost:80", 200), ("example.org", 403), ("", 403), ("[::1]:80", 403)],
)
def test_only_a_request_that_names_this_machine_is_answered(address, host, status):
    assert request(address, urlsplit(address).path, Host=host)[0] == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_nothing_but_get_is_answered(address, method):
    assert request(address, urlsplit(address).path, method)[0] == 501


def test_too_many_fields_are_refused_and_a_fault_is_logged(address, caplog):
    root = urlsplit(address).path
    assert request(address, root + "?" + "&".join(f"a{i}=1" for i in range(100)))[0] == 400
    status, _, content = request(address, f"{root}fails")
    assert status == 500 and "no page" not in content
    assert "the page fails failed" in caplog.text


def test_events_are_streamed(address):
    with urllib.request.urlopen(address + "events") as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert stream.read().decode() == "data: 1\n\ndata: 2\n\n"


def test_nothing_is_answered_after_the_block(address):
    with serve(answer) as other:
        assert urllib.request.urlopen(other).status == 200
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(other)


def test_only_this_machine_can_connect(address):
    with serve(answer) as other, socket.socket() as outside:
        outside.settimeout(5)
        outside.bind(("127.0.0.1", 0))
        assert outside.connect_ex(("127.0.0.2", urlsplit(other).port)) != 0


def test_a_port_in_use_or_none_is_refused_in_a_sentence(address):
    port = urlsplit(address).port
    with (
        pytest.raises(ConfigError, match=rf"^port {port} of 127\.0\.0\.1 is in use; expected a free port\. Choose"),
        serve(answer, port=port),
    ):
        pass
    for port in (-1, 70_000, "80", True):
        with (
            pytest.raises(ConfigError, match=r"^port is .*; expected a whole number from 1 to 65,535"),
            serve(answer, port=port),
        ):
            pass
