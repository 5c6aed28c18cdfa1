"""The ``qala`` command: a tree of verbs put together from the plugs and the house's own."""

from __future__ import annotations

import copy
import functools
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import click

import qala
from qala.kernel import console
from qala.kernel.errors import QalaError

BROKEN_PIPE, INTERRUPTED, REFUSED, FAULT = 1, 130, 2, 1  # exit codes; the first is click's too


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    sys.exit(run(given))


def run(argv: list[str]) -> int:
    """Run one command.

    Returns:
        The exit code: 0 done, 1 a fault of ours or a failed check, 2 refused (usage or domain error), 130 interrupted.
    """
    try:
        arguments, as_json, data_dir = take_shared_options(argv)
        console.speak("json" if as_json else None)
        if data_dir is not None:
            os.environ["QALA_DATA_DIR"] = data_dir
        if arguments in (["--version"], ["version"]):
            console.say(f"qala {qala.__version__}", event="version", version=qala.__version__)
            return 0
        return _run(arguments)
    except click.exceptions.Abort:
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes standard output once more at exit; there is nobody to read it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except click.ClickException as error:
        console.error(_usage_problem(error))
        return REFUSED
    except QalaError as error:
        console.error(_domain_problem(error))
        return REFUSED
    except Exception as error:  # noqa: BLE001 - whatever else is a fault of ours
        console.error(_fault(error))
        return FAULT


def take_shared_options(argv: Sequence[str]) -> tuple[list[str], bool, str | None]:
    """What stands for every command: ``--json`` and ``--data-dir DIR`` anywhere before a ``--``.

    Returns:
        (the other arguments, whether JSON is wanted, the named data folder or ``None``)
    """
    rest: list[str] = []
    as_json, data_dir = False, None
    left = iter(argv)
    for argument in left:
        if argument == "--":
            rest += [argument, *left]
        elif argument == "--json":
            as_json = True
        elif argument == "--data-dir":
            data_dir = next(left, None)
            if not data_dir or data_dir.startswith("--"):
                raise click.UsageError("Option '--data-dir' requires the path of a folder.")
        elif argument.startswith("--data-dir="):
            data_dir = argument.partition("=")[2]
        else:
            rest.append(argument)
    return rest, as_json, data_dir


def _run(arguments: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qala.site.settings")
    import django
    from django.conf import settings
    from django.utils import translation

    from . import logs, messages

    messages.compile_changed()  # in a checkout; an installed Qala brings them compiled
    django.setup()
    logs.configure(settings.QALA, to="file")
    with translation.override(command_language()):
        code = tree().main(arguments or ["--help"], prog_name="qala", standalone_mode=False)
    return code if isinstance(code, int) else 0


def command_language() -> str:
    """The language of a command's words: the terminal's where Qala speaks it, else English."""
    named = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return named[:2] if named[:2] in ("kk", "ru") else "en"


class Tree(click.Group):
    """A group whose members are imported when they are asked for."""

    def __init__(self, name: str, help_text: str) -> None:
        super().__init__(name, help=help_text, params=shared_options())
        self.members: dict[str, Callable[[], click.Command]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.members)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self.members[cmd_name]() if cmd_name in self.members else None


def shared_options() -> list[click.Parameter]:
    """The options of every command, for its help; ``take_shared_options`` has read them before."""
    from django.utils.translation import gettext as _

    return [
        click.Option(
            ["--data-dir"], metavar="DIR", expose_value=False,
            help=_("Folder that holds everything this city keeps (default: ./qala-data)."),
        ),
        click.Option(["--json"], is_flag=True, expose_value=False, help=_("Speak JSON lines.")),
    ]  # fmt: skip


@functools.cache
def tree() -> Tree:
    """The tree of all commands."""
    from django.utils.translation import gettext as _

    from qala.kernel.plug import declared, load

    from .commands import HOUSE

    groups = {
        "load": _("Load data from files."), "export": _("Write data to files."),
        "people": _("People, their roles and their accounts."), "organisations": _("Organisations of the city."),
        "roles": _("Roles: bundles of permissions."),
        "tokens": _("API tokens of service accounts, such as gateways."), "drivers": _("Work on device models."),
        "notices": _("Notices and what became of them."), "retention": _("How long data are kept."),
    }  # fmt: skip
    root = Tree("qala", _("Qala: an open platform for a city that measures what it does and asks its residents."))
    root.params.append(
        click.Option(["--version"], is_flag=True, expose_value=False, help=_("Say the version and leave."))
    )
    for path, dotted, prepares in [
        *((path, dotted, False) for path, dotted in HOUSE.items()),
        *((command.path, command.command, True) for command in declared("commands")),
    ]:
        *above, name = path.split()
        group = root
        for part in above:
            if part not in group.members:
                below = Tree(part, groups.get(part, ""))
                group.members[part] = lambda below=below: below  # type: ignore[misc]
            found = group.members[part]()
            assert isinstance(found, Tree), f"{path}: {part} is a command, not a group"
            group = found
        assert name not in group.members, f"two commands are named {path}"
        group.members[name] = functools.cache(
            lambda name=name, dotted=dotted, prepares=prepares: dressed(name, load(dotted), prepares)
        )
    return root


def dressed(name: str, found: Any, prepares: bool) -> click.Command:
    """A command with the shared options; one of a matter makes the data folder ready before it runs."""
    made: click.Command = copy.copy(found)
    made.name = name
    made.params = [*made.params, *shared_options()]
    if prepares:
        run_it = made.callback

        @functools.wraps(run_it)  # type: ignore[arg-type]
        def prepared(*args: Any, **kwargs: Any) -> Any:
            from .prepare import prepare

            prepare(quiet=True)
            assert run_it is not None
            return run_it(*args, **kwargs)

        made.callback = prepared
    return made


def _usage_problem(error: click.ClickException) -> dict[str, Any]:
    problem: dict[str, Any] = {
        "type": "urn:qala:problem:usage", "title": "Usage", "status": 400, "what": error.format_message(),
    }  # fmt: skip
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "qala"
    problem["fix"] = f"{path} --help"
    return problem


def _domain_problem(error: QalaError) -> dict[str, Any]:
    from django.conf import settings

    if not settings.configured:  # the settings themselves are what is wrong
        problem = {
            "type": f"urn:qala:problem:{error.kind}",
            "title": error.kind,
            "status": error.status,
            "what": error.what,
        }
        return {**problem, **({"fix": error.fix} if error.fix else {})}
    from . import problems

    return problems.for_command(error)


def _fault(error: Exception) -> dict[str, Any]:
    """A fault of ours: its name for people, all of it in the log."""
    import structlog

    problem: dict[str, Any] = {
        "type": "urn:qala:problem:fault", "title": "Fault", "status": 500, "what": f"{type(error).__name__}: {error}",
    }  # fmt: skip
    try:
        from django.conf import settings

        from . import logs

        structlog.get_logger(__name__).exception("command.fault", arguments=sys.argv[1:3])
        if settings.QALA.log_level == "debug":
            traceback.print_exception(error)
        elif logs.command_log(settings.QALA).exists():
            problem["fix"] = f"{logs.command_log(settings.QALA)}"
        else:
            problem["fix"] = "QALA_LOG_LEVEL=debug"
    except Exception:  # noqa: BLE001 - settings or logging are what is broken
        traceback.print_exception(error)
    return problem
