"""The command line: one door to the verbs of `swath.tools`, made from their signatures and docstrings.

Exit codes: 0 done, 2 refused (one line on stderr), 3 done but some windows failed, 130 cancelled, 1 a bug.
"""

from __future__ import annotations

import inspect
import json
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any

from swath.doors import signature
from swath.tools import SUMMARIES, VERBS

__all__ = ["main"]

_USAGE = """Usage: swath VERB [ARGUMENTS] [OPTIONS]

Turn Earth observation data into answers that can be checked.

Verbs:
{verbs}

Doors: swath explore [SCENE...] (the verbs on a page in the browser: look, label, map, judge, ask)
       swath mcp --root DIR... (the verbs for assistants, over the Model Context Protocol)
Every verb: --help (with examples), --json (one JSON object), --quiet (no progress).
First steps: swath demo · swath info SCENE.tif · swath map SCENE.tif --labels labels.gpkg --out out/
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one verb and leave with its exit code."""
    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))


def run(argv: list[str]) -> int:
    """Run one verb from its words; gives the exit code."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        if len(argv) > 1 and argv[1] in VERBS:
            return run([argv[1], "--help"])
        width = max(map(len, VERBS))
        print(_USAGE.format(verbs="\n".join(f"  {verb:<{width}}  {SUMMARIES[verb]}" for verb in VERBS)))
        return 0
    if argv[0] in ("-V", "--version"):
        from swath import __version__

        print(f"swath {__version__}")
        return 0
    if argv[0] == "mcp":
        from swath.doors.mcp import serve

        return serve(argv[1:])
    if argv[0] == "explore":
        from swath.doors.web.serve import serve as explore

        return explore(argv[1:])
    if argv[0] not in VERBS:
        import difflib

        near = difflib.get_close_matches(argv[0], VERBS, n=1)
        hint = f"did you mean {near[0]}?" if near else "see swath --help"
        return _say(f"swath: a verb is one of {', '.join(VERBS)}; got {argv[0]!r}; {hint}")
    return _carry_out(argv[0], argv[1:])


def _carry_out(verb: str, words: list[str]) -> int:
    import warnings

    from swath.errors import Cancelled, SwathError

    # Pictures without georeference are said in the notes; the library's warning would come once a file and thread.
    warnings.filterwarnings("ignore", message="Dataset has no geotransform")
    try:
        return _call(verb, words)
    except SwathError as error:
        return _say(f"swath {verb}: {error}")
    except (Cancelled, KeyboardInterrupt):
        return _say(f"swath {verb}: cancelled; finished windows are kept, the same command goes on", 130)
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _call(verb: str, words: list[str]) -> int:
    import cyclopts

    from swath import __getattr__ as lookup

    function = lookup(verb)
    outcome: dict[str, Any] = {}
    app = cyclopts.App(
        name=f"swath {verb}",
        help_format="plaintext",
        help=_description(function),
        help_epilogue=_examples(function),
        version_flags=[],
        result_action="return_value",
    )
    app.default(_command(function, outcome))
    try:
        app(words, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        text = " ".join(str(error).split()).rstrip(".")
        return _say(f"swath {verb}: options are those of its help; got {text}; see swath {verb} --help")
    if "result" not in outcome:  # --help was asked for
        return 0
    return _show(outcome["result"], as_json=outcome["json"])


def _command(function: Callable[..., Any], outcome: dict[str, Any]) -> Callable[..., None]:
    """The verb as cyclopts sees it: no `progress`, but --json and --quiet; the result goes into `outcome`."""
    import cyclopts

    hints = signature.hints(function)
    documented = signature.argument_help(function)
    parameters = []
    given = inspect.signature(function).parameters
    later = [n for n, p in given.items() if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty]
    for name, p in given.items():
        if name == "progress":
            continue
        west = name in ("area", "like", "not_", "lever")  # -55.5,-11.7,-55.4,-11.6 is a value, not an option
        short = {"name": [f"-{name}", f"--{name}"]} if len(name) == 1 else {}
        meta = cyclopts.Parameter(help=documented.get(name, ""), negative=(), allow_leading_hyphen=west, **short)
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty:
            lists = "list" in str(
                [hints.get(n, "") for n in later[later.index(name) :]]
            )  # what stands before a list too
            p = p.replace(kind=p.POSITIONAL_ONLY) if lists else p
        kind = signature.words(hints.get(name, str))
        # The parser checks defaults too once a library has loaded pydantic.
        kind = typing.Optional[kind] if p.default is None else kind  # noqa: UP045
        parameters.append(p.replace(annotation=typing.Annotated[kind, meta]))
    for name, text in (("json", "print the result as JSON"), ("quiet", "no progress bar, no summary of notes")):
        meta = cyclopts.Parameter(help=text, negative=())
        annotation = typing.Annotated[bool, meta]
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation))

    def command(*args: Any, **options: Any) -> None:
        outcome["json"] = options.pop("json", False)
        quiet = options.pop("quiet", False)
        options = {k: _commas(v) for k, v in options.items()}
        from swath.doors.progress import announce, bar

        with bar(enabled=not quiet and not outcome["json"] and sys.stderr.isatty()) as progress:
            if "progress" in inspect.signature(function).parameters:
                options["progress"] = progress if quiet or outcome["json"] else progress or announce
            if options.get("safe"):
                from swath.doors.straight import named

                named(inspect.signature(function).bind_partial(*args, **options).arguments)
            outcome["result"] = function(*args, **options)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__name__ = function.__name__
    return command


def _commas(value: Any) -> Any:
    """`--bands B02,B03` and `--bands B02 --bands B03` mean the same."""
    if isinstance(value, list):
        return [part.strip() for text in value for part in str(text).split(",") if part.strip()]
    return value


def _show(result: Any, *, as_json: bool) -> int:
    results = result if isinstance(result, (list, tuple)) else [result]
    for item in results:
        refused = getattr(item, "refused", "")  # one of several paths: the others are still told
        if refused:
            _say(f"swath: {refused}")
        if as_json:
            print(json.dumps(item.to_json(), allow_nan=False, ensure_ascii=False))
        elif not refused:
            print(item)
    return max((int(getattr(item, "exit_code", 0)) for item in results), default=0)


def _say(text: str, code: int = 2) -> int:
    print(" ".join(text.split()), file=sys.stderr)
    return code


def _description(function: Callable[..., Any]) -> str:
    return signature.sections(function)[""].strip()


def _examples(function: Callable[..., Any]) -> str:
    text = inspect.cleandoc(signature.sections(function).get("Examples", ""))
    return f"Examples:\n\n{text}" if text else ""


if __name__ == "__main__":
    main()
