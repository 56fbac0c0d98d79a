"""Files that are sent: on their way to the disk, never all in memory."""

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
"""Kinds of a body that is one file, and no form."""
MOST_PARTS = 8
FILE = "file"
"""The name of the one that is meant; of a body that is one file, too."""


class Upload:
    """Takes the pieces of a body. `files` are there when all of it has come, in a folder that `close` takes away.

    All that touches the disk is for threads. Raises BadRequest for what is no form, GatewayError 415 for another kind,
    StoreFailed where the disk takes no more.
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
        """The files by the names of their fields."""
        return self._paths

    def feed(self, piece: bytes) -> None:
        """Take a piece."""
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
        """Take the end. BadRequest where it comes too soon, or no file has come."""
        with self._disk():
            if self._decoder is not None:
                self._take(self._decoder, None)
            self._end()
        if FILE not in self._paths:
            raise BadRequest(f"no file has come: send one as {FILE!r}", param=FILE)

    def close(self) -> None:
        """Take away what has come."""
        with suppress(OSError):  # what is thrown away need not be whole
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
        path = self._folder / str(len(self._paths))  # what it is called elsewhere names nothing here
        self._paths[name] = path
        self._open = path.open("xb")

    def _write(self, piece: bytes | bytearray) -> None:
        if self._open:
            self._open.write(piece)

    def _end(self) -> None:
        file, self._open = self._open, None
        if file:
            file.close()
