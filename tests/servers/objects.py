"""A folder as a bucket of an object store, to read from: listings, heads and ranges, as S3 answers them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

MODIFIED = "2025-02-10T12:34:56.000Z"
BUCKET = "bucket"


@dataclass
class Objects:
    """A running bucket: `url` of what is in the folder, the `options` that open it, and the keys that were read, in order."""

    folder: Path
    url: str = f"s3://{BUCKET}"
    options: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def object_store(folder: Path) -> Iterator[Objects]:
    """Serve a folder as a bucket, until the block ends."""
    objects = Objects(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(objects))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    objects.options |= {
        "aws_endpoint_url": f"http://127.0.0.1:{server.server_address[1]}",
        "aws_access_key_id": "nobody",
        "aws_secret_access_key": "k-none-at-all",
        "aws_region": "us-east-1",
        "aws_allow_http": "true",
    }
    try:
        yield objects
    finally:
        server.shutdown()
        server.server_close()


def _handler(objects: Objects) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self.respond()

        def do_HEAD(self) -> None:
            self.respond()

        def respond(self) -> None:
            parts = urlsplit(self.path)
            key, query = unquote(parts.path).removeprefix(f"/{BUCKET}").removeprefix("/"), parse_qs(parts.query)
            if not key:
                self.answer(200, _listing(objects.folder, query).encode(), {"Content-Type": "application/xml"})
                return
            path = objects.folder / key
            if not path.is_file():
                self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>", {"Content-Type": "application/xml"})
                return
            objects.asked.append(key)
            content = path.read_bytes()
            headers = {
                "ETag": f'"{len(content)}"',
                "Last-Modified": "Mon, 10 Feb 2025 12:34:56 GMT",
                "Accept-Ranges": "bytes",
            }
            wanted = self.headers.get("Range", "").removeprefix("bytes=")
            if not wanted:
                self.answer(200, content, headers)
                return
            first, _, last = wanted.partition("-")
            start = int(first) if first else max(len(content) - int(last), 0)
            stop = min(int(last) + 1 if first and last else len(content), len(content))
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
            self.answer(206, content[start:stop], headers)

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler


def _listing(folder: Path, query: dict[str, list[str]]) -> str:
    """An answer to ListObjectsV2, in one page."""
    prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
    after = query.get("start-after", [""])[0]
    keys = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    found, folders = [], []
    for key in (key for key in keys if key.startswith(prefix) and key > after):
        rest = key.removeprefix(prefix)
        if delimiter and delimiter in rest:
            folders.append(prefix + rest.partition(delimiter)[0] + delimiter)
        else:
            found.append(key)
    listed = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>{MODIFIED}</LastModified><ETag>&quot;1&quot;</ETag>"
        f"<Size>{(folder / key).stat().st_size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key in found
    )
    listed += "".join(
        f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in dict.fromkeys(folders)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(found) + len(set(folders))}</KeyCount>"
        f"<MaxKeys>1000000</MaxKeys><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>"
    )
