"""Uploaded files, written to disk as they arrive and never held in memory as a whole."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from omniroute.errors import BadRequest
from omniroute.store.db import files as aside
from omniroute.store.db.files import StoreFailed

FORM = "multipart/form-data"
ALONE = frozenset({"application/octet-stream", "application/x-sqlite3", "application/vnd.sqlite3", "application/gzip"})
"""Content types of a body that is a single file instead of a form."""
MOST_PARTS = 8
FILE = "file"
"""The form field of the required file; also the name given to a body that is a single file."""


class Upload:
    """Reader of an upload: a multipart form or a single file, fed in chunks.

    `files` is complete after `finish`; the files are in a temporary folder that `close` removes. `feed`, `finish` and
    `close` access the disk and must run in a thread. Raises BadRequest for a malformed form, with status 415 for
    another content type, and StoreFailed if the disk cannot be written to.
    """

    def __init__(self, data_dir: Path, content_type: str) -> None:
        self._data_dir = data_dir
        self._folder: Path | None = None
        self._open: BinaryIO | None = None
        self._paths: dict[str, Path] = {}
        self._decoder: MultipartDecoder | None = None
        kind, how = parse_options_header(content_type)
        if kind == FORM:
            if not (boundary := how.get("boundary", "")):
                raise BadRequest("the form names no boundary")
            self._decoder = MultipartDecoder(boundary.encode("latin-1", "replace"), max_parts=MOST_PARTS)
        elif kind not in ALONE:
            raise BadRequest(f"the body has to be a file: send a form ({FORM}) with the field {FILE!r}", status=415)

    @property
    def files(self) -> Mapping[str, Path]:
        """Paths of the files received, by form field."""
        return self._paths

    def feed(self, piece: bytes) -> None:
        """Process a chunk of the body."""
        with self._disk():
            if self._decoder is None:
                if self._open is None:
                    self._begin(FILE)
                self._write(piece)
            else:
                self._take(self._decoder, piece)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreFailed(f"what is sent cannot be kept in {str(self._data_dir)!r}: {error.strerror}") from error

    def _take(self, decoder: MultipartDecoder, piece: bytes | None) -> None:
        try:
            decoder.receive_data(piece)
            self._follow(decoder)
        except ValueError as error:
            raise BadRequest(f"the form cannot be read: {error}") from None
        except RequestEntityTooLarge:
            raise BadRequest(f"the form has more than {MOST_PARTS} fields") from None

    def finish(self) -> None:
        """Process the end of the body. Raises BadRequest if the form is incomplete or the required file is missing."""
        with self._disk():
            if self._decoder is not None:
                self._take(self._decoder, None)
            self._end()
        if FILE not in self._paths:
            raise BadRequest(f"no file has come: send one as {FILE!r}", param=FILE)

    def close(self) -> None:
        """Remove the files received so far."""
        with suppress(OSError):  # the file is discarded, so failing to flush it does not matter
            self._end()
        if self._folder:
            aside.remove(self._folder)

    def _follow(self, decoder: MultipartDecoder) -> None:
        while not isinstance(event := decoder.next_event(), NeedData):
            match event:
                case File(name=name) | Field(name=name):
                    self._begin(name)
                case Data(data=data, more_data=more):
                    self._write(data)
                    if not more:
                        self._end()
                case Epilogue():
                    return

    def _begin(self, name: str) -> None:
        if name in self._paths:
            raise BadRequest(f"the form has {name[:100]!r} twice")
        if self._folder is None:
            self._folder = aside.make(self._data_dir)
        path = self._folder / str(len(self._paths))  # never a path from the client's file name
        self._paths[name] = path
        self._open = path.open("xb")

    def _write(self, piece: bytes | bytearray) -> None:
        if self._open:
            self._open.write(piece)

    def _end(self) -> None:
        file, self._open = self._open, None
        if file:
            file.close()
