"""Slips in what keeps out code and damage of third parties, and in what outlives an interruption."""

from __future__ import annotations

from ..slip import slips

NETWORK = "tests/sources/test_network.py::"
RUNS = "tests/runs/test_run_folders.py::"

SLIPS = [
    *slips(
        "models",
        "models/wrappers/known_estimators.py",
        "tests/recipes/test_recipes.py",
        [
            ("cache-of-a-pipeline-read", 'NEVER = {"memory"}', "NEVER = set()"),
            ("paths-as-words", 'value, re.ASCII) is None or ".." in value:', "value, re.ASCII) is None and False:"),
            ("any-class-made", "require_known(name: object, parameters: object) -> None:", "require_known(name: object, parameters: object) -> None:\n    return"),
        ],
    ),
    *slips(
        "recipes",
        "recipes/describing.py",
        "tests/recipes/test_recipes.py",
        [
            ("code-of-a-user-restored", 'if "identity" in description or kind in ("function", "object"):', "if False:"),
            ("nested-without-end", "if depth > DEEPEST:\n        raise _malformed", "if False:\n        raise _malformed"),
        ],
    ),
    *slips(
        "disk",
        "disk/files.py",
        f"{RUNS}test_only_regular_files_are_read {RUNS}test_a_manifest_that_is_too_large_is_not_read"
        f" {RUNS}test_a_path_that_is_too_long_is_refused_before_any_work"
        " tests/study/test_resume.py::test_checkpoints_and_runs_are_flushed_before_they_count",
        [
            ("links-followed", "def _require_regular(path: Path, found: os.stat_result) -> None:", "def _require_regular(path: Path, found: os.stat_result) -> None:\n    return"),
            ("read-whole", "if found.st_size <= most:", "if True:"),
            ("files-not-flushed", '    with path.open("r+b") as file:\n        _flush(file.fileno())\n', ""),
            ("names-too-long-later", "except (FileNotFoundError, NotADirectoryError):\n            pass\n        except (OSError, ValueError) as error:", "except (OSError, ValueError):\n            pass\n        except KeyError as error:"),
        ],
    ),
    *slips(
        "disk",
        "disk/replacing.py",
        "tests/disk/test_replacing.py tests/study/test_resume.py::test_checkpoints_and_runs_are_flushed_before_they_count",
        [
            ("folder-not-flushed", "        flush_folder(fresh)\n", ""),
            ("name-not-flushed", "        flush_folder(folder.parent)\n", ""),
            ("old-one-removed-first", "elif not exchange(fresh, folder):", "elif (_remove(folder), os.rename(fresh, folder))[0]:"),
            ("copies-stay", "                        _remove(path)\n                claim", "                        pass\n                claim"),
            ("copies-of-others-removed", "if claim.is_alone():", "if True:"),
        ],
    ),
    *slips(
        "disk",
        "disk/claims.py",
        f"tests/disk/test_replacing.py {RUNS}test_two_at_once_do_not_take_each_others_jobs",
        [
            ("jobs-of-others-removed", "        is_alone = self.is_alone()\n        if is_alone:", "        is_alone = True\n        if is_alone:"),
        ],
    ),
    *slips(
        "disk",
        "disk/parquet.py",
        f"tests/disk/test_parquet.py {RUNS}test_memory_is_refused_before_it_is_taken",
        [
            ("chunks-may-overlap", '_require(packed <= end, "its column chunks overlap")', "pass"),
            ("pages-of-any-size", '_require(unpacked <= size, f"the pages of the column {name} are larger than its footer says")', "pass"),
            ("rows-of-the-footer", '_require(values == rows, f"the column {name} has {values:,} values for {rows:,} rows")', "pass"),
        ],
    ),
    *slips(
        "runs",
        "runs/manifest.py",
        f"{RUNS}test_a_manifest_has_its_shape {RUNS}test_json_is_limited",
        [
            ("shape-unchecked", 'wrong = _misfit(manifest, SHAPE, "")', "wrong = None"),
            ("objects-uncounted", 'if content.count(b"[") + content.count(b"{") > MAXIMUM:', "if False:"),
        ],
    ),
    *slips(
        "runs",
        "runs/folder.py",
        f"tests/runs/test_runs.py {RUNS}test_a_path_that_is_too_long_is_refused_before_any_work"
        " tests/kills/test_kills.py::test_a_run",
        [
            ("name-as-it-is", 'letter if letter.isalnum() or letter in kept else "_" for letter', "letter for letter"),
            ("paths-unchecked", "    require_names(folder.parent, (copy,", "    (lambda *_: None)(folder.parent, (copy,"),
        ],
    ),
    *slips(
        "ledger",
        "ledger/trials.py",
        "tests/ledger/test_ledger.py tests/ledger/test_confined.py",
        [
            ("memory-never-rolls-back", "if connection is not None and connection.in_transaction:", "if connection is not None and self.path is not None and connection.in_transaction:"),
            ("views-read", "            require_own_schema(connection, schema_of(version))\n", ""),
            ("links-opened", "                    self._require_regular()\n", ""),
            ("inflated-without-limit", "inflater = Inflater(max(SPARE, DENSEST * self._size()) if self.path else None)", "inflater = Inflater(None)"),
            ("reading-never-ends", "most=None if self.path is None else self._size() + GROWTH", "most=None"),
        ],
    ),
    *slips(
        "reading",
        "reading/containers.py",
        "tests/sources/test_files.py",
        [
            ("inflates-without-limit", "if size > most or (size > FREE_BYTES and size > MAX_INFLATION * packed):", "if False:"),
            ("folders-read", "    if not is_file:\n", "    if False:\n"),
        ],
    ),
    *slips(
        "reading",
        "reading/workbooks.py",
        "tests/fuzz/test_workbooks.py",
        [
            ("memory-unlimited", "((resource.RLIMIT_DATA, memory), ", "("),
            ("parsed-here", "    summary, text = _converted(content.path)\n", "    convert()\n    summary, text = {}, b''\n"),
        ],
    ),
    *slips(
        "sources",
        "sources/files.py",
        "tests/fuzz/test_reading.py tests/sources/test_files.py",
        [("panics-pass", "        pl.exceptions.PanicException,\n        OSError,\n", "        OSError,\n")],
    ),
    *slips(
        "sources",
        "sources/transport.py",
        f"{NETWORK}test_an_answer_that_never_ends_ends {NETWORK}test_a_large_answer_is_refused"
        f" {NETWORK}test_every_source_goes_through_the_proxy_that_the_environment_names",
        [
            ("bytes-unlimited", "            if size > most:\n                raise too_large(most)\n            pieces", "            pieces"),
            ("proxies-ignored", "self._pool(proxy_of(str(request.url)))", "self._pool(None)"),
        ],
    ),
    *slips(
        "sources",
        "sources/inflation.py",
        f"{NETWORK}test_a_small_answer_that_inflates_to_a_large_one_is_refused"
        f" {NETWORK}test_a_body_of_thousands_of_empty_members_is_refused",
        [
            ("bombs-pass", "        if size > most:\n            raise too_large(most)\n        if not stream.eof:", "        if not stream.eof:"),
            ("members-uncounted", "for _ in range(MAX_MEMBERS):", "for _ in range(10**9):"),
        ],
    ),
    *slips(
        "sources",
        "sources/dumps.py",
        f"{NETWORK}test_an_index_that_is_none_or_repeats_itself_ends {NETWORK}test_an_index_without_end_ends"
        f" {NETWORK}test_dumps_of_other_compressions_than_deflate_are_refused"
        f" {NETWORK}test_a_dump_that_inflates_to_gigabytes_is_refused",
        [
            ("listing-without-end", "            if len(keys) > MAX_KEYS:\n", "            if False:\n"),
            ("listing-out-of-order", "    if wrong is not None:\n", "    if False:\n"),
            ("other-compressions", "if member.compress_type != zipfile.ZIP_DEFLATED:", "if False:"),
            ("stated-size-believed", "if member.compress_size * MAX_DEFLATED > MAX_CSV:", "if False:"),
        ],
    ),
    *slips(
        "sources",
        "sources/answers.py",
        f"{NETWORK}test_an_answer_that_is_none_is_told_and_never_a_hole"
        f" {NETWORK}test_numbers_of_thousands_of_digits_are_none {NETWORK}test_numbers_that_libraries_would_count_to_are_none",
        [
            ("undated-rows", "return all(isinstance(row, (list, dict)) and any(map(_is_date, _parts(row))) for row in rows)", "return True"),
            ("endless-numbers", "    if odd := _oddity(value):\n        raise unusable(vendor, odd)\n", ""),
        ],
    ),
    *slips(
        "store",
        "store/observations.py",
        "tests/store/test_update.py::test_holes_that_were_vouched_for_on_a_doubtful_word_can_be_asked_about_again"
        " tests/cli/test_fetch.py::test_a_hole_that_a_doubtful_answer_left_is_asked_about_again",
        [("recheck-asks-nothing", "pl.lit(is_recheck) | ", "")],
    ),
    *slips(
        "store",
        "store/store.py",
        "tests/text/test_redaction.py",
        [("names-of-any-length", "expected=f\"at most {LONGEST_NAME} bytes, with", "expected=f\"at least {LONGEST_NAME} bytes, with")],
    ),
    *slips(
        "process",
        "process/compiling.py",
        "tests/process/test_compiling.py",
        [
            ("no-place-no-code", "        except RuntimeError:  # Numba", "        except ImportError:  # Numba"),
            ("callees-unseen", "found = zlib.crc32(file.read_bytes(), found)", "found = 0"),
            ("compiled-by-every-process", "        _require_to_be_found_again(function)\n", ""),
        ],
    ),
    *slips(
        "process",
        "process/forking.py",
        "tests/process/test_forking.py::test_a_process_forked_from_work_says_so_instead_of_hanging",
        [("every-fork-refused", "_process.is_orphan = _process.has_worked", "_process.is_orphan = True")],
    ),
    *slips(
        "dataset",
        "dataset/jobs.py",
        "tests/process/test_forking.py::test_what_was_fitted_is_sent_as_its_tensors",
        [("pickled", "    def __reduce__(self) -> Any:\n", "    def unreduced(self) -> Any:\n")],
    ),
    *slips(
        "text",
        "text/redaction.py",
        "tests/text/test_redaction.py",
        [
            ("controls-shown", "    if text.isprintable():\n        return text\n    return", "    return text\n    return"),
            ("percent-unseen", "forms = [re.escape(letter), percent, escape,", "forms = [re.escape(letter), escape,"),
            ("json-unseen", "forms = [re.escape(letter), percent, escape,", "forms = [re.escape(letter), percent,"),
            ("utf-16-unseen", 'return "|".join([_NUL.join(letters), *whole, content.hex()])', 'return "|".join(["".join(letters), *whole, content.hex()])'),
            ("passwords-shown", '        text = _PASSWORD.sub(f"{MASK}@", text)\n', ""),
            ("texts-of-any-length", "return text if len(text) <= MAX_SHOWN else", "return text if True else"),
        ],
    ),
    *slips(
        "errors",
        "errors.py",
        "tests/test_errors.py tests/text/test_redaction.py",
        [("all-names-listed", "    if len(texts) <= most:\n", "    if True:\n")],
    ),
    *slips(
        "targets",
        "targets/price.py",
        "tests/targets/test_targets.py::test_a_price_and_a_return_forecast_of_the_same_are_traded_alike",
        [("simple-for-log-of-a-price", "np.log(np.maximum(forecast / candles.close, LOWEST))", "forecast / candles.close - 1")],
    ),
    *slips(
        "backtesting",
        "backtesting/engine/matching.py",
        "tests/backtesting/test_brackets.py",
        [("grandchildren-rest", "book[row, KIND], is_dropped = 0.0, True", "book[row, KIND], is_dropped = 0.0, False")],
    ),
    *slips(
        "cli",
        "cli/__init__.py",
        "tests/cli/test_cli.py::test_ctrl_c_leaves_earlier_runs_whole tests/cli/test_cli.py::test_commands_that_keep_nothing_promise_nothing",
        [
            ("says-not-how-to-continue", '": run the same command again to continue" if ctx.invoked_subcommand in CONTINUED else ""', '""'),
            ("promises-too-much", "if ctx.invoked_subcommand in CONTINUED else", "if True else"),
            ("interrupted-as-fine", "ctx.exit(INTERRUPTED)", "ctx.exit(0)"),
        ],
    ),
    *slips(
        "cli",
        "cli/runs.py",
        "tests/cli/test_cli.py::test_broken_runs_are_marked_and_the_rest_is_listed",
        [("one-broken-run-ends-all", "        require_shape(path, manifest)\n    except RunError as error:", "        require_shape(path, manifest)\n    except KeyError as error:")],
    ),
    *slips(
        "cli",
        "cli/console.py",
        "tests/cli/test_cli.py::test_the_same_command_again_says_what_it_reuses tests/cli/test_fetch.py::test_what_servers_and_names_say_obeys_no_terminal",
        [
            ("pipes-without-progress", "        yield ProgressLines()\n", "        yield ignore\n"),
            ("terminal-obeys", 'return "\\n".join(visible(redacted(line)) for line in text.split("\\n"))', "return text"),
        ],
    ),
    *slips(
        "study",
        "study/checkpoints.py",
        "tests/cli/test_cli.py::test_the_same_command_again_says_what_it_reuses"
        " tests/study/test_resume.py::test_checkpoints_and_runs_are_flushed_before_they_count",
        [
            ("reuse-unsaid", "if self.reused > announced:", "if False:"),
            ("checkpoints-not-flushed", "put_flushed(path, save(tensors))", "path.write_bytes(save(tensors))"),
        ],
    ),
]  # fmt: skip
