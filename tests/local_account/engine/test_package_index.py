from local_account.engine.package_index import environment_settings, parse_settings, uv_environment

LISTING = """global.index-url='https://mirror.example/simple'
global.extra-index-url='https://a.example/s\\nfile:///b'
global.cert='/etc/ca.pem'
install.index-url='https://install.example/simple'
:env:.index-url='ignored: read from the environment itself'
freeze.timeout='10'
"""


def test_pips_settings_become_uvs() -> None:
    assert uv_environment(parse_settings(LISTING), {}) == {
        "UV_DEFAULT_INDEX": "https://install.example/simple",
        "UV_INDEX": "https://a.example/s file:///b",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "SSL_CERT_FILE": "/etc/ca.pem",
    }


def test_the_environment_wins_over_files_and_uvs_own_settings_over_both() -> None:
    settings = parse_settings(LISTING) | environment_settings({"PIP_INDEX_URL": "https://env.example/s"})
    assert uv_environment(settings, {})["UV_DEFAULT_INDEX"] == "https://env.example/s"
    assert "UV_DEFAULT_INDEX" not in uv_environment(settings, {"UV_DEFAULT_INDEX": "https://uv.example"})


def test_without_settings_nothing_changes() -> None:
    assert uv_environment(parse_settings(""), {}) == {}
