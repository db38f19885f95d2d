"""The one Delta Lake table of a store: made, opened at a version, appended to, rewritten; what goes wrong, in one sentence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from candlecast.errors import StoreError
from candlecast.interval import Interval
from candlecast.parameters import is_whole
from candlecast.store.observations import COLUMNS, TIME

if TYPE_CHECKING:
    from deltalake import DeltaTable, WriterProperties

FORMAT = 1
PROPERTIES = {
    "candlecast.format": str(FORMAT),
    "delta.enableExpiredLogCleanup": "false",  # every version that a run may have kept stays readable
}
PARTITIONS = ("source", "symbol", "bar")  # INTERVAL is a word of SQL, which predicates are written in
SUPERSEDED = "superseded"  # the part of observations that no longer hold, once a compaction has sorted them out
RETRIES = 1_000  # of a commit: other processes appended first
LONGEST = 200  # characters of what the table's library says
PATIENCE = 50  # times that an append is begun anew after a compaction, and a compaction after an append


class Series(NamedTuple):
    """The candles of one symbol and interval from one source."""

    source: str
    symbol: str
    interval: str

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval} of {self.source}"

    @property
    def place(self) -> dict[str, str]:
        """The partition of the table that holds the series, without its part of the calendar."""
        return dict(zip(PARTITIONS, self, strict=True))

    @property
    def step(self) -> Interval:
        """The interval as a length of time."""
        return Interval.parse(self.interval)


@dataclass(frozen=True)
class Location:
    """Where a table is: a folder or the URL of an object store, and the options that open it (they may hold secrets)."""

    url: str = field(repr=False)
    options: Mapping[str, str] = field(repr=False)

    def open(self, version: int | None = None) -> Snapshot | None:
        """The table as it is now or was at a version; None where there is none yet. Raises StoreError."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        options = dict(self.options) or None
        if (folder := self.folder) and folder.exists() and not folder.is_dir():
            raise StoreError(f"{self.url} is a file", expected="the folder of a store", remedy="Choose another place")
        with explained(self.url, "read"):
            try:
                table = DeltaTable(self.url, storage_options=options)
            except TableNotFoundError:
                if version is None:
                    return None
                raise
            self._require_readable(table)
            if version is None or version == table.version():
                return Snapshot(self, table)
            if not is_whole(version, 0) or version > table.version():
                raise StoreError(
                    f"{self.url} has no version {version!r}",
                    expected=f"a version from 0 to {table.version()}",
                    remedy="Leave version out to read what is there now",
                )
            return Snapshot(self, DeltaTable(self.url, version=version, storage_options=options))

    def make(self) -> Snapshot:
        """The table as it is now, made empty where there is none yet. Raises StoreError."""
        from deltalake import DeltaTable, Field, Schema
        from deltalake.exceptions import DeltaError
        from deltalake.schema import PrimitiveType

        if (there := self.open()) is not None:
            return there
        kinds = {pl.Float64(): "double", pl.Boolean(): "boolean"}
        fields = [Field(name, PrimitiveType(kinds.get(kind, "timestamp"))) for name, kind in COLUMNS.items()]
        parts = (*PARTITIONS, "part")
        schema = Schema([*fields, *(Field(name, PrimitiveType("string")) for name in parts)])
        with explained(self.url, "written"):
            try:
                DeltaTable.create(
                    self.url,
                    schema,
                    partition_by=list(parts),
                    name="candlecast",
                    description="What sources said about candles, and when",
                    configuration=PROPERTIES,
                    storage_options=dict(self.options) or None,
                    raise_if_key_not_exists=False,
                )
            except DeltaError:
                if self.open() is None:  # otherwise another process made it meanwhile
                    raise
        there = self.open()
        assert there is not None, "a table that was made is there"
        return there

    def append(self, series: Series, observations: pl.DataFrame) -> None:
        """Commit observations, all or none. Any number of processes may do so at once. Raises StoreError.

        The table must have been made.
        """
        from deltalake import CommitProperties, write_deltalake
        from deltalake.exceptions import CommitFailedError

        rows = _placed(series, observations, calendar_part(series))
        self.require_space(rows)
        with explained(self.url, "written"):
            for attempt in range(PATIENCE):
                try:
                    return write_deltalake(
                        self.url,
                        rows,
                        mode="append",
                        schema_mode="merge",
                        storage_options=dict(self.options) or None,
                        writer_properties=_writing(),
                        commit_properties=CommitProperties(max_commit_retries=RETRIES),
                    )
                except CommitFailedError:  # a compaction came between
                    if attempt + 1 == PATIENCE:
                        raise
        return None

    def require_space(self, rows: pl.DataFrame) -> None:
        """Raise StoreError where rows cannot be written, as far as that can be seen before: the table's library would
        print the stack traces of its threads beside the error that it raises."""
        folder = self.folder
        if folder is None or not folder.is_dir():
            return
        if not os.access(folder, os.W_OK):
            raise _unwritable(self.url, "no right to write, or a read-only disk")
        needed, free = int(rows.select(*COLUMNS).estimated_size()), shutil.disk_usage(folder).free
        if free < needed:
            raise _unwritable(self.url, f"{free:,} bytes are free, and {needed:,} may be needed")

    @property
    def folder(self) -> Path | None:
        """The folder on this machine; None for the address of an object store."""
        return None if "://" in self.url else Path(self.url)

    def _require_readable(self, table: DeltaTable) -> None:
        configuration = table.metadata().configuration
        found = configuration.get("candlecast.format")
        if found is None:
            raise StoreError(
                f"{self.url} is a Delta Lake table, but no store of candles",
                expected="a folder that candlecast wrote, or a new one",
                remedy="Choose another folder",
            )
        if not found.isdigit() or int(found) > FORMAT:
            raise StoreError(
                f"{self.url} was written in format {found}",
                expected=f"format {FORMAT} or older",
                remedy="Install a newer candlecast; nothing was changed",
            )


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The table at one version, which does not change while others write."""

    location: Location
    table: DeltaTable

    @property
    def version(self) -> int:
        """The number of the version."""
        return self.table.version()

    def files(self) -> pl.DataFrame:
        """The files, one row each: `source`, `symbol`, `interval`, `part`, `name`, `bars`, `first`, `last` (open times)."""
        with explained(self.location.url, "read"):
            actions = pl.DataFrame(self.table.get_add_actions(flatten=True))
        if actions.is_empty():
            kinds = dict.fromkeys((*Series._fields, "part", "name"), pl.String())
            return pl.DataFrame(schema={**kinds, "bars": pl.Int64, "first": TIME, "last": TIME})
        return actions.select(
            *(pl.col(f"partition.{place}").alias(name) for place, name in zip(PARTITIONS, Series._fields, strict=True)),
            part=pl.col("partition.part"),
            name=pl.col("path").str.split("/").list.last(),
            bars=pl.col("num_records"),
            first=pl.col("min.open_time"),
            last=pl.col("max.open_time"),
        ).sort("first", "name")

    def read(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """What a scan gives. Raises StoreError where a file is missing or torn."""
        with explained(self.location.url, "read"):
            return frame.collect()

    def scan(
        self,
        series: Series,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        parts: Collection[str] | None = None,
    ) -> pl.LazyFrame | None:
        """Observations of a series, of bars that open from `since` to before `until`, files in order of time.

        Of all parts but SUPERSEDED, or of those named. None where there is no file.
        """
        pruned: list[tuple[str, str, Any]] = [(name, "=", value) for name, value in series.place.items()]
        with explained(self.location.url, "read"):
            paths = {path.rsplit("/", 1)[-1]: path for path in self.table.file_uris(file_pruning_predicate=pruned)}
        wanted = [pl.col("name").is_in(list(paths))]
        wanted.append(pl.col("part") != SUPERSEDED if parts is None else pl.col("part").is_in(list(parts)))
        if since is not None:
            wanted.append(pl.col("last") >= since)
        if until is not None:
            wanted.append(pl.col("first") < until)
        files = self.files().filter(wanted)
        if files.is_empty():
            return None
        frame = pl.scan_parquet(
            [paths[name] for name in files["name"]],
            hive_partitioning=False,
            glob=False,
            schema=COLUMNS,
            missing_columns="insert",  # files that were written before there was a column
            extra_columns="ignore",
            storage_options=dict(self.location.options) or None,
        )
        if since is not None:
            frame = frame.filter(pl.col("open_time") >= since)
        return frame if until is None else frame.filter(pl.col("open_time") < until)

    def newest(self, series: Series) -> pl.LazyFrame | None:
        """Observations of the last file of `scan`, and of those that end as late; None where there is no file."""
        same = [pl.col(name) == value for name, value in series._asdict().items()]
        files = self.files().filter(*same, pl.col("part") != SUPERSEDED)
        return None if files.is_empty() else self.scan(series, since=files["last"][-1])

    def replace(self, series: Series, part: str, holding: pl.DataFrame, superseded: pl.DataFrame) -> bool:
        """Put other observations in the place of one part and of all superseded ones; False when others came first."""
        from deltalake import write_deltalake
        from deltalake.exceptions import CommitFailedError

        rows = pl.concat([_placed(series, holding, pl.lit(part)), _placed(series, superseded, pl.lit(SUPERSEDED))])
        self.location.require_space(rows)
        where = " AND ".join(f"{name} = '{value}'" for name, value in series.place.items())
        with explained(self.location.url, "written"):
            try:
                predicate = f"{where} AND part IN ('{part}', '{SUPERSEDED}')"
                write_deltalake(
                    self.table,
                    rows,
                    mode="overwrite",
                    schema_mode="merge",
                    predicate=predicate,
                    writer_properties=_writing(),
                )
            except CommitFailedError:
                return False
        return True


def calendar_part(series: Series) -> pl.Expr:
    """The part of the calendar that a bar is kept in: its year, or its month where a year would be too much to rewrite."""
    return pl.col("open_time").dt.strftime("%Y-%m" if series.step.seconds < 60 else "%Y")


def _placed(series: Series, observations: pl.DataFrame, part: pl.Expr) -> pl.DataFrame:
    return observations.with_columns(
        *(pl.lit(value).alias(name) for name, value in series.place.items()), part.alias("part")
    )


def _writing() -> WriterProperties:
    """Prices hardly repeat: without dictionaries they are read in two thirds of the time, and take no more space."""
    from deltalake import ColumnProperties, WriterProperties

    return WriterProperties(compression="LZ4_RAW", default_column_properties=ColumnProperties(dictionary_enabled=False))


@contextmanager
def explained(url: str, verb: str) -> Iterator[None]:
    """Raise what the table's library raises as a StoreError of one sentence."""
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
        first = str(error).strip().splitlines()[0][:LONGEST] if str(error).strip() else type(error).__name__
        words = " ".join(str(error).split())
        if "Unsupported" in words and ("version" in words or "feature" in words):
            raise StoreError(
                f"{url} was written by a newer version ({first})",
                expected="a table that this version understands",
                remedy="Install a newer candlecast; nothing was changed",
            ) from error
        if verb == "read":
            raise StoreError(
                f"{url} cannot be read ({first})",
                expected="a store that candlecast wrote",
                remedy="Check the path and the right to read it; nothing was changed",
            ) from error
        raise _unwritable(url, first) from error


def _unwritable(url: str, reason: str) -> StoreError:
    return StoreError(
        f"{url} cannot be written ({reason})",
        expected="a folder or object store with space that may be written to",
        remedy="Free space or choose another; what was stored before is untouched",
    )
