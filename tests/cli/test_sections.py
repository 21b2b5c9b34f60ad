"""--help lists every option once, in the section of its subject, with a placeholder that a person can fill."""

import re

import pytest

from dlcli.cli.app import _invoke
from dlcli.cli.command import COMMANDS
from dlcli.cli.sections import OWN, SECTIONS, section_of
from dlcli.specs.command_line import config_class
from dlcli.specs.option import declared, flag
from dlcli.specs.shared import RunOptions


def _help(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert _invoke([command, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_stands_once_in_its_section(command: str, capsys: pytest.CaptureFixture[str]):
    options = {item.name: details for config in (config_class(command), RunOptions) for item, details in declared(config)}
    fields = {item.name: item for config in (config_class(command), RunOptions) for item, _ in declared(config)}
    parts = re.split(r"^(\w[\w ]*):\n", _help(command, capsys), flags=re.M)
    shown = {
        heading: re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.M)
        for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    }
    for name, details in options.items():
        if not details.argument or details.two_ways:
            assert [heading for heading, flags in shown.items() if flag(fields[name]) in flags] == [section_of(command, name)]
    assert sum(map(len, shown.values())) == len({flag for flags in shown.values() for flag in flags})
    assert list(shown) == [heading for heading in ("Arguments", *SECTIONS, "Examples") if heading in shown]


@pytest.mark.parametrize("command", COMMANDS)
def test_placeholders_are_words(command: str, capsys: pytest.CaptureFixture[str]):
    text = _help(command, capsys)
    assert not re.search(r"<|x>=|\[\[|INTEGER", text.partition("Examples:")[0])


def test_sections_name_no_option_that_is_gone():
    there = {item.name for command in COMMANDS for item, _ in declared(config_class(command))}
    there |= {item.name for item, _ in declared(RunOptions)} | {"help", "group"}
    assert {name for names in SECTIONS.values() for name in names} <= there
    assert all(own.keys() <= {item.name for item, _ in declared(config_class(command))} for command, own in OWN.items())
    assert {heading for own in OWN.values() for heading in own.values()} <= SECTIONS.keys()


@pytest.mark.parametrize("heading", ["Attack", "Explanation"])
def test_the_options_of_a_command_stand_together(heading: str):
    """An option that other commands have in another section stands with those of its own command."""
    command = {"Attack": "attack", "Explanation": "eval"}[heading]
    there = {item.name for item, _ in declared(config_class(command))}
    assert {section_of(command, name) for name in SECTIONS[heading] if name in there} == {heading}
