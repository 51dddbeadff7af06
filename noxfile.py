"""What CI does, one session at a time: `nox -l` lists them, `nox -s lint` runs one."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["lint", "types", "docs", "tests"]

PYTHONS = ["3.11", "3.12", "3.13"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests: `nox -s tests-3.12 -- tests/unit`."""
    session.install("-e", ".[all,test]")
    session.run("pytest", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests and report branch coverage; less than 95 % fails."""
    session.install("-e", ".[all,test]")
    session.run("pytest", "--cov", "--cov-report=", *session.posargs)
    session.run("coverage", "report", "--fail-under=95")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, layout, layers and the docstrings of tests."""
    session.install("-e", ".[all,test,lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run(
        "interrogate", "--quiet", "--fail-under", "100", "--whitelist-regex", "test_.*", "tests"
    )


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package and of a host that uses its public names."""
    session.install("-e", ".[all,test,lint]")
    session.run("mypy")
    session.run("mypy", "tests/typing")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the docs strictly and run every block in them."""
    session.install("-e", ".[all,test,docs]")
    session.run("pytest", "tests/docs")
    session.run("sphinx-build", "-n", "-W", "--keep-going", "-q", "docs", "docs/_build/html")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure the budgets: `nox -s benchmarks -- --help` says what can be chosen."""
    session.install("-e", ".[all,test]")
    session.run("python", "-m", "tests.benchmarks", *session.posargs)
