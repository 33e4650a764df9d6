from __future__ import annotations

import traceback
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from retrieval.errors import ConfigurationError
from service.settings import Settings, load_settings, with_embedder
from service.specs import llm_specs

SECRET = "hunter2-and-more"

WriteFile = Callable[[str | bytes], Path]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder and a data directory without settings."""
    monkeypatch.delenv("FOOTNOTE_WEIGHTS_DIR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.fixture
def write_file(folder: Path) -> WriteFile:
    """Write footnote.toml into the working folder."""

    def write(content: str | bytes) -> Path:
        path = folder / "work" / "footnote.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def refusal() -> str:
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    return str(refused.value)


def test_without_any_setting_the_defaults_hold(folder: Path) -> None:
    settings = load_settings()
    assert settings.home == folder / "data" / "footnote"
    assert settings.database.dsn is None
    assert settings.llm.base_url is None
    assert settings.ingest.readers == ("public",)


def test_the_environment_goes_before_the_file_and_the_file_before_the_defaults(
    write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file('[llm]\nbase_url = "http://file"\nmodel = "file"\n[chunking]\nmax_tokens = 100\n')
    monkeypatch.setenv("FOOTNOTE_LLM__MODEL", "environment")
    settings = load_settings()
    assert (settings.llm.base_url, settings.llm.model) == ("http://file", "environment")
    assert settings.chunking.max_tokens == 100
    assert settings.ingest.parse_workers == Settings().ingest.parse_workers


def test_an_empty_variable_is_as_good_as_none(write_file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file('[database]\ndsn = "dbname=file"\n')
    monkeypatch.setenv("FOOTNOTE_DATABASE__DSN", "")
    dsn = load_settings().database.dsn
    assert dsn is not None
    assert dsn.get_secret_value() == "dbname=file"


def test_the_named_file_goes_before_the_working_folder_and_that_before_the_data_directory(
    folder: Path, write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def model() -> str | None:
        return load_settings().llm.model

    home = folder / "home"
    home.mkdir()
    (home / "footnote.toml").write_text('[llm]\nmodel = "home"\n')
    monkeypatch.setenv("FOOTNOTE_HOME", str(home))
    assert model() == "home"
    write_file('[llm]\nmodel = "work"\n')
    assert model() == "work"
    (folder / "named.toml").write_text('[llm]\nmodel = "named"\n')
    monkeypatch.setenv("FOOTNOTE_CONFIG", str(folder / "named.toml"))
    assert model() == "named"


@pytest.mark.parametrize("name", ["gone.toml", "."])
def test_a_named_file_that_is_none_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_CONFIG", name)
    assert refusal() == f"FOOTNOTE_CONFIG names '{name}', which is not a file."


def test_a_home_folder_may_be_written_with_a_tilde(
    write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file('home = "~/footnote"\n')
    monkeypatch.setenv("FOOTNOTE_WEIGHTS_DIR", "~nobody-of-that-name/weights")
    settings = load_settings()
    assert settings.home == Path.home() / "footnote"
    assert settings.weights_dir == Path("~nobody-of-that-name/weights")


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("FOOTNOTE_LLM__API_KY", "Did you mean FOOTNOTE_LLM__API_KEY?"),
        ("FOOTNOTE_LLM_API_KEY", "Did you mean FOOTNOTE_LLM__API_KEY?"),
        ("FOOTNOTE_DATABASE", "Did you mean FOOTNOTE_DATABASE__DSN?"),
        ("FOOTNOTE_ZZZ", "docs/settings.md lists all of them."),
        ("footnote_hom", "Did you mean FOOTNOTE_HOME?"),
    ],
)
def test_an_unknown_variable_is_refused_with_a_hint_and_without_its_value(
    variable: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, SECRET)
    message = refusal()
    assert message == f"there is no setting {variable}. {hint} Correct its name or leave it out."


@pytest.mark.parametrize(
    ("content", "setting", "hint"),
    [
        ("databse = 3", "databse", "Did you mean database?"),
        ('[llm]\nbase_ulr = "http://x"', "llm.base_ulr", "Did you mean llm.base_url?"),
        ("[lmm]\nmodel = 'x'", "lmm", "Did you mean llm?"),
        ("zzz = 1", "zzz", "docs/settings.md lists all of them."),
    ],
)
def test_an_unknown_name_in_the_file_is_refused_with_a_hint(
    content: str, setting: str, hint: str, write_file: WriteFile
) -> None:
    path = write_file(content)
    assert refusal() == (
        f"there is no setting {setting} in '{path}'. {hint} Correct its name or leave it out."
    )


def test_variables_of_the_tests_are_none_of_the_services_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_TEST_ANYTHING", "x")
    load_settings()


def test_every_wrong_setting_is_named_at_once(write_file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file('[embedder]\nkind = "word2vec"\n[chunking]\nmax_tokens = 1\n')
    monkeypatch.setenv("FOOTNOTE_LLM__BASE_URL", "localhost:8000")
    lines = refusal().splitlines()
    assert [line.partition(" is wrong")[0] for line in lines] == [
        "the setting embedder.kind (FOOTNOTE_EMBEDDER__KIND)",
        "the setting llm.base_url (FOOTNOTE_LLM__BASE_URL)",
        "the setting chunking.max_tokens (FOOTNOTE_CHUNKING__MAX_TOKENS)",
    ]
    assert lines[1].endswith("it has to be an address that begins with http:// or https://.")


@pytest.mark.parametrize(
    "written", ["kb.example.com", "https://kb.example.com/?a=b", "https://ann:x@kb.example.com"]
)
def test_a_public_url_is_one_that_links_can_begin_with(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_SERVE__PUBLIC_URL", "https://kb.example.com/footnote/")
    assert load_settings().serve.public_url == "https://kb.example.com/footnote/"
    monkeypatch.setenv("FOOTNOTE_SERVE__PUBLIC_URL", written)
    assert refusal() == (
        "the setting serve.public_url (FOOTNOTE_SERVE__PUBLIC_URL) is wrong: "
        "it has to be an address as in https://footnote.example.com or https://example.com/footnote."
    )


def test_an_overlap_of_half_a_chunk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_CHUNKING__OVERLAP_TOKENS", "127")
    assert load_settings().chunking.overlap_tokens == 127
    monkeypatch.setenv("FOOTNOTE_CHUNKING__OVERLAP_TOKENS", "128")
    assert refusal().startswith("chunking.overlap_tokens (FOOTNOTE_CHUNKING__OVERLAP_TOKENS) is 128")


def test_a_section_written_as_a_value_is_explained(write_file: WriteFile) -> None:
    path = write_file('database = "host=x"\n')
    assert refusal() == f"database is a section: [database] in '{path}', with dsn, max_connections in it."


@pytest.mark.parametrize("content", ["[llm]\nmodel =", b"\xff\xfe", "[llm\n"])
def test_a_file_that_is_not_toml_is_named(content: str | bytes, write_file: WriteFile) -> None:
    path = write_file(content)
    assert refusal().startswith(f"'{path}' is not valid TOML: ")


def test_a_file_that_may_not_be_read_is_named(write_file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    # A file that is one when looked at and cannot be opened, for root as well.
    monkeypatch.setenv("FOOTNOTE_CONFIG", "/proc/self/mem")
    assert refusal().startswith("'/proc/self/mem' cannot be read: ")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"FOOTNOTE_LLM__BASE_URL": "http://x"}, "llm.model (FOOTNOTE_LLM__MODEL) is not"),
        ({"FOOTNOTE_QUERIES__REWRITE": "hyde"}, "llm.base_url (FOOTNOTE_LLM__BASE_URL) is not set"),
        (
            {"FOOTNOTE_EMBEDDER__KIND": "sentence_transformer"},
            "embedder.model (FOOTNOTE_EMBEDDER__MODEL) is not set",
        ),
        (
            {"FOOTNOTE_RERANKER__KIND": "cross_encoder"},
            "reranker.model (FOOTNOTE_RERANKER__MODEL) is not set",
        ),
        ({"FOOTNOTE_EMBEDDER__KIND": "remote"}, "embedder.base_url (FOOTNOTE_EMBEDDER__BASE_URL) is not set"),
        (
            {"FOOTNOTE_EMBEDDER__KIND": "remote", "FOOTNOTE_EMBEDDER__BASE_URL": "http://x"},
            "embedder.model (FOOTNOTE_EMBEDDER__MODEL) is not set",
        ),
        (
            {
                "FOOTNOTE_EMBEDDER__KIND": "remote",
                "FOOTNOTE_EMBEDDER__BASE_URL": "http://x",
                "FOOTNOTE_EMBEDDER__MODEL": "m",
            },
            "embedder.location (FOOTNOTE_EMBEDDER__LOCATION) is not set. Say where the server stands",
        ),
        (
            {
                "FOOTNOTE_EMBEDDER__KIND": "remote",
                "FOOTNOTE_EMBEDDER__BASE_URL": "http://x",
                "FOOTNOTE_EMBEDDER__MODEL": "m",
                "FOOTNOTE_EMBEDDER__LOCATION": "inside",
            },
            "embedder.tokenizer (FOOTNOTE_EMBEDDER__TOKENIZER) is not set",
        ),
        (
            {
                "FOOTNOTE_RERANKER__KIND": "remote",
                "FOOTNOTE_RERANKER__BASE_URL": "http://x",
                "FOOTNOTE_RERANKER__MODEL": "m",
                "FOOTNOTE_RERANKER__LOCATION": "inside",
                "FOOTNOTE_RERANKER__TOKENIZER": "/t.json",
            },
            "reranker.form (FOOTNOTE_RERANKER__FORM) is not set. Say in which form",
        ),
        (
            {"FOOTNOTE_STORE__WORDS": "qdrant"},
            "store.words (FOOTNOTE_STORE__WORDS) is qdrant, but store.kind (FOOTNOTE_STORE__KIND) is pgvector",
        ),
    ],
)
def test_settings_that_need_another_say_which(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert message in refusal()


@pytest.mark.parametrize("written", ["user:ann, group:hr", '["user:ann", "group:hr"]'])
def test_readers_are_a_list_in_the_environment(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_INGEST__READERS", written)
    assert load_settings().ingest.readers == ("user:ann", "group:hr")


@pytest.mark.parametrize("content", ['["ann"]', '["user:"]', '["user:ann", ""]', '"user:ann,everybody"'])
def test_readers_that_nobody_can_be_are_refused(content: str, write_file: WriteFile) -> None:
    write_file(f"[ingest]\nreaders = {content}\n")
    assert refusal() == (
        "the setting ingest.readers (FOOTNOTE_INGEST__READERS) is wrong: a reader is written user:NAME, group:NAME or "
        "public."
    )


def test_documents_that_nobody_may_read_are_refused(write_file: WriteFile) -> None:
    write_file("[ingest]\nreaders = []\n")
    assert "at least 1 item" in refusal()


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = [
        "FOOTNOTE_DATABASE__DSN",
        "FOOTNOTE_LLM__API_KEY",
        "FOOTNOTE_STORE__API_KEY",
        "FOOTNOTE_EMBEDDER__API_KEY",
        "FOOTNOTE_RERANKER__API_KEY",
    ]
    for name in secrets:
        monkeypatch.setenv(name, SECRET)
    settings = load_settings()
    for shown in (repr(settings), str(settings), settings.model_dump_json(), f"{settings.llm}"):
        assert SECRET not in shown


@pytest.mark.parametrize(
    "content",
    [f"[llm]\napi_key = ['{SECRET}']\n", f"[database.dsn]\npassword = '{SECRET}'\n", f"llm = '{SECRET}'\n"],
)
def test_a_secret_in_the_wrong_form_does_not_show_in_any_error(content: str, write_file: WriteFile) -> None:
    write_file(content)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_another_embedder_for_one_command_is_checked_like_the_configured_one() -> None:
    plain = load_settings()
    assert with_embedder(plain, kind=None, model=None) is plain
    other = with_embedder(plain, kind="sentence_transformer", model="some/model")
    assert (other.embedder.kind, other.embedder.model) == ("sentence_transformer", "some/model")
    assert other.embedder.precision == plain.embedder.precision
    assert with_embedder(other, kind=None, model="other/model").embedder.model == "other/model"
    assert with_embedder(other, kind="onnx", model=None).embedder.model == ""
    with pytest.raises(ConfigurationError, match="takes no other"):
        with_embedder(plain, kind=None, model="some/model")
    with pytest.raises(ConfigurationError, match=r"embedder\.model"):
        with_embedder(plain, kind="sentence_transformer", model=None)
    with pytest.raises(ConfigurationError, match="the embedder's kind is wrong"):
        with_embedder(plain, kind="word2vec", model="x")


FALLBACKS = """
[llm]
base_url = "http://first/v1"
model = "first"
location = "inside"
[[llm.fallbacks]]
base_url = "http://second/v1"
model = "second"
location = "inside"
first_token_timeout_s = 5
[[llm.fallbacks]]
kind = "anthropic_api"
model = "third"
api_key = "hunter2-and-more"
"""


def test_fallbacks_are_asked_in_the_order_of_the_file(write_file: WriteFile) -> None:
    write_file(FALLBACKS)
    specs = llm_specs(load_settings())
    assert [(spec.kind, spec.model, spec.location, spec.fallback) for spec in specs] == [
        ("openai_api", "first", "inside", 0),
        ("openai_api", "second", "inside", 1),
        ("anthropic_api", "third", "outside", 2),
    ]
    assert [spec.first_token_timeout_s for spec in specs] == [60, 5, 60]
    assert SECRET not in repr(specs)


def test_fallbacks_come_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_LLM__BASE_URL", "http://first/v1")
    monkeypatch.setenv("FOOTNOTE_LLM__MODEL", "first")
    monkeypatch.setenv("FOOTNOTE_LLM__FALLBACKS", '[{"kind": "anthropic_api", "model": "m", "api_key": "k"}]')
    assert [spec.model for spec in llm_specs(load_settings())] == ["first", "m"]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"FOOTNOTE_LLM__FALLBACKS": "[{"}, "llm.fallbacks (FOOTNOTE_LLM__FALLBACKS) is wrong"),
        (
            {"FOOTNOTE_LLM__FALLBACKS": '[{"base_url": "http://x", "model": "m"}]'},
            "llm.fallbacks (FOOTNOTE_LLM__FALLBACKS) are set, but there is no first language model",
        ),
        (
            {
                "FOOTNOTE_LLM__KIND": "anthropic_vertex",
                "FOOTNOTE_LLM__MODEL": "m",
                "FOOTNOTE_LLM__REGION": "eu",
            },
            "llm.project (FOOTNOTE_LLM__PROJECT) is not set",
        ),
        ({"FOOTNOTE_LLM__KIND": "anthropic_bedrock"}, "llm.model (FOOTNOTE_LLM__MODEL) is not set"),
        (
            {"FOOTNOTE_LLM__KIND": "anthropic_api", "FOOTNOTE_LLM__MODEL": "m"},
            "llm.api_key (FOOTNOTE_LLM__API_KEY) is not set",
        ),
        (
            {
                "FOOTNOTE_LLM__BASE_URL": "http://x",
                "FOOTNOTE_LLM__MODEL": "m",
                "FOOTNOTE_LLM__FALLBACKS": f'[{{"base_url": "http://x", "api_key": "{SECRET}"}}]',
            },
            "llm.fallbacks[0].model (FOOTNOTE_LLM__FALLBACKS) is not set",
        ),
        (
            {
                "FOOTNOTE_LLM__BASE_URL": "http://x",
                "FOOTNOTE_LLM__MODEL": "m",
                "FOOTNOTE_LLM__FALLBACKS": f'[{{"base_url": "{SECRET}"}}]',
            },
            "llm.fallbacks[0].base_url (FOOTNOTE_LLM__FALLBACKS) is wrong",
        ),
        (
            {"FOOTNOTE_LLM__FALLBACKS": f'[{{"{SECRET[:7]}": "{SECRET}"}}]'},
            "there is no setting llm.fallbacks[0].hunter2",
        ),
    ],
)
def test_a_language_model_that_lacks_something_is_refused_without_secrets(
    variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    message = refusal()
    assert told in message
    assert SECRET not in message


def test_prices_come_from_tables_or_as_json(write_file: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file('[limits]\nmoney_per_month = 20\n[limits.prices."large"]\nprompt = 2.5\ncompletion = 10\n')
    limits = load_settings().limits
    assert (limits.money_per_month, limits.prices["large"].prompt) == (Decimal(20), Decimal("2.5"))
    monkeypatch.setenv("FOOTNOTE_LIMITS__PRICES", '{"small": {"prompt": 1, "completion": 2}}')
    assert "small" in load_settings().limits.prices


def test_money_that_nothing_costs_is_no_limit(write_file: WriteFile) -> None:
    write_file(
        '[llm]\nbase_url = "http://localhost:8000/v1"\nmodel = "large"\n[limits]\nmoney_per_month = 20\n'
    )
    with pytest.raises(ConfigurationError, match=r"has no price of 'large'"):
        load_settings()
