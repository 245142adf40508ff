"""The documents are true: links, names, tables, and everything the program can be asked about."""

import ast
import configparser
import re
from pathlib import Path

import pytest
from psycopg import rows

import noggin_mp
from noggin_mp.domain import errors
from noggin_mp.observe import catalogue
from noggin_mp.settings import loader, object_types
from noggin_mp.store import session
from tests.support import cli_reference, markdown, postgres

PACKAGE = Path(noggin_mp.__file__).parent
PACKAGES = sorted(folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists())
PAGES = markdown.pages()
ENV = {"NOGGIN_TOKEN": "made-up", "NOGGIN_DSN": "", "CREDENTIALS_DIRECTORY": "/run/credentials"}

FORBIDDEN = re.compile(
    r"/work\b|/root\b|\bissues?\b|pypi\.org|pythonhosted|artifactory|index-url",
    re.IGNORECASE,
)

each_page = pytest.mark.parametrize("page", PAGES, ids=markdown.name)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for target in markdown.links(page):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        if not other.exists() or (anchor and anchor not in markdown.anchors(other)):
            lost.append(target)
    assert lost == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [markdown.ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            for target in markdown.links(page):
                other = (page.parent / target.partition("#")[0]).resolve()
                if other.suffix == ".md" and other.exists():
                    waiting.append(other)
    assert sorted(map(markdown.name, set(PAGES) - reached)) == []


@each_page
def test_page_names_nothing_that_is_not_ours(page: Path) -> None:
    assert FORBIDDEN.findall(page.read_text(encoding="utf-8")) == []


@each_page
def test_verbs_that_a_page_names_exist(page: Path) -> None:
    known = {words.removeprefix("noggin-mp ") for words, _ in cli_reference.verbs()}
    groups = {words.split()[0] for words in known if " " in words}
    unknown = []
    for line in [*markdown.codes(page), *markdown.commands(page)]:
        program, *words = line.split()
        plain = [word for word in words if re.fullmatch(r"[a-z]+", word)]
        if program == "noggin-mp" and plain:
            depth = 2 if plain[0] in groups else 1
            if " ".join(plain[:depth]) not in known:
                unknown.append(line)
    assert unknown == []


@each_page
def test_make_targets_that_a_page_names_exist(page: Path) -> None:
    makefile = (markdown.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    typed = [line for block in markdown.blocks(page, "sh") for line in block.text.splitlines()]
    named = re.findall(r"^make ([a-z]+)", "\n".join([*markdown.codes(page), *typed]), re.MULTILINE)
    assert set(named) <= targets


@each_page
def test_modules_that_a_page_names_exist(page: Path) -> None:
    pattern = re.compile(rf"(?:noggin_mp/)?((?:{'|'.join(PACKAGES)})/[a-z_]+)(\.py)?")
    named = {found[1] for code in markdown.codes(page) if (found := pattern.fullmatch(code))}
    folders = {"supervisor/manage_service", "domain/"}
    missing = {one for one in named - folders if not (PACKAGE / f"{one}.py").exists()}
    assert missing == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_architecture_names_every_module_of(package: str) -> None:
    text = markdown.section(markdown.DOCS / "architecture.md", f"`{package}/`")
    modules = {file.stem for file in (PACKAGE / package).glob("*.py")} - {"__init__"}
    assert sorted(modules - _codes(text)) == []


def test_architecture_names_every_module_beside_the_packages() -> None:
    text = markdown.section(markdown.DOCS / "architecture.md", "Floors")
    modules = {file.stem for file in PACKAGE.glob("*.py")} - {"__init__"}
    assert sorted(one for one in modules if f"`{one}`" not in text) == []


def test_command_reference_is_the_generated_one() -> None:
    page = markdown.DOCS / "reference" / "cli.md"
    assert page.read_text(encoding="utf-8") == cli_reference.page(), (
        "run: python -m tests.support.cli_reference > docs/reference/cli.md"
    )


def test_command_reference_has_every_verb_and_option() -> None:
    page = cli_reference.page()
    for words, command in cli_reference.verbs():
        assert f"## `{words}`" in page
        for option in cli_reference.options(command):
            assert option.opts[0] in page


def test_schema_reference_names_every_table_view_and_column(conn: session.Connection) -> None:
    page = (markdown.DOCS / "reference" / "schema.md").read_text(encoding="utf-8")
    parts = re.split(r"^### ", page, flags=re.MULTILINE)[1:]
    sections = {name: part for part in parts for name in _codes(part.splitlines()[0])}
    with conn.cursor(row_factory=rows.tuple_row) as cursor:
        found = cursor.execute(
            "SELECT c.table_name, c.column_name, t.table_type FROM information_schema.columns c"
            " JOIN information_schema.tables t USING (table_schema, table_name)"
            " WHERE c.table_schema = %s",
            (postgres.SCHEMA,),
        ).fetchall()

    assert {table for table, _, _ in found} == set(sections)
    missing = [
        (table, column)
        for table, column, _ in found
        if not table.startswith("inspections_") and column not in _codes(sections[table])
    ]
    assert missing == []


def test_metrics_reference_has_a_row_for_every_metric() -> None:
    page = (markdown.DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
    for spec in catalogue.SPECS.values():
        assert f"| `{spec.name}` | {spec.type} | {', '.join(spec.labels)} | {spec.help} |" in page
    named = set(re.findall(r"^\| `(noggin_\w+)` \|", page, re.MULTILINE))
    assert named == {spec.name for spec in catalogue.SPECS.values()}


def test_exit_codes_reference_has_every_class_of_error() -> None:
    page = (markdown.DOCS / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    table = {int(row[1]): row[0] for row in re.finditer(r"^\| (\d+) \|.*$", page, re.MULTILINE)}
    classes = [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.NogginError)
    ]
    assert [one.code for one in classes if f"`{one.code}`" not in table[one.exit_code]] == []


def test_decision_on_dependencies_names_each_of_them() -> None:
    setup = configparser.ConfigParser()
    setup.read(markdown.ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    wanted = "\n".join([setup["options"]["install_requires"], *extras.values()])
    names = set(re.findall(r"^([A-Za-z][\w-]*)", wanted, re.MULTILINE)) - {"noggin-mp"}
    page = (markdown.DOCS / "decisions" / "0005-dependencies.md").read_text(encoding="utf-8")
    assert sorted(one for one in names if not re.search(rf"\b{re.escape(one)}\b", page)) == []


def test_decisions_are_numbered_without_a_gap_and_listed() -> None:
    folder = markdown.DOCS / "decisions"
    files = sorted(file.name for file in folder.glob("0*.md"))
    assert [int(file[:4]) for file in files] == list(range(1, len(files) + 1))
    assert [one for one in markdown.links(folder / "README.md") if one in files] == files


def test_glossary_gives_each_word_a_module() -> None:
    page = (markdown.DOCS / "glossary.md").read_text(encoding="utf-8")
    entries = re.findall(r"^\*\*(.+?)\.\*\* .*$", page, re.MULTILINE)
    told = re.findall(r"^\*\*.+?\.\*\* .*\(`\w+/\w+`(?:, `\w+/\w+`)*\)$", page, re.MULTILINE)
    assert len(entries) == len(told)
    assert entries == sorted(entries, key=str.casefold)


@each_page
def test_yaml_examples_load(page: Path, tmp_path: Path) -> None:
    for block in markdown.blocks(page, "yaml"):
        if re.search(r"^endpoint:", block.text, re.MULTILINE):
            folder = tmp_path / f"types_{block.line}"
            folder.mkdir()
            (folder / "type.yaml").write_text(block.text)
            assert object_types.load(folder).by_code, block.place
            continue
        file = tmp_path / f"{block.line}.yaml"
        file.write_text(block.text)
        loader.load(file, env=ENV)


@each_page
def test_sql_examples_run(page: Path, request: pytest.FixtureRequest) -> None:
    found = list(markdown.blocks(page, "sql"))
    if not found:
        return
    connection: session.Connection = request.getfixturevalue("conn")
    for block in found:
        with connection.transaction(force_rollback=True):
            connection.execute(block.text)


@each_page
def test_python_examples_compile(page: Path) -> None:
    for block in markdown.blocks(page, "python"):
        ast.parse(block.text, block.place)


def _codes(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))
