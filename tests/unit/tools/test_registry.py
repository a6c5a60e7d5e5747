"""Which tools there are."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.tools.profile import Declared
from gateway.tools.registry import Tools, client_tool, tools_of_modules

SHOP = '''
from gateway.tools import tool

@tool
async def price(article: str) -> float:
    """Tell the price of an article."""
    return 1.5

def helper() -> None:
    pass
'''


def test_modules_give_their_decorated_functions(tmp_path: Path) -> None:
    """Also from the directory of the profile."""
    (tmp_path / "shop_of_registry_test.py").write_text(SHOP)
    tools = Tools(tools_of_modules(["shop_of_registry_test"], tmp_path))
    assert [one.name for one in tools] == ["price"]
    assert len(tools) == 1
    assert tools.get("price") is next(iter(tools))
    assert tools.get("helper") is None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nothing_of_the_kind", "cannot be loaded: ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("1 / 0", "cannot be loaded: ZeroDivisionError"),
        ("x = 1", "has no function with @tool"),
        ("from gateway.tools import tool\n@tool\ndef f(x): ...", "The tool f has no docstring"),
    ],
)
def test_a_module_that_gives_none_stops_the_start_with_a_sentence(tmp_path: Path, source: str, said: str) -> None:
    """It names the module and what is wrong in it."""
    name = f"broken_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    with pytest.raises(ConfigError, match=said):
        Tools(tools_of_modules([name], tmp_path))


def test_a_name_is_one_tool() -> None:
    """Two of one name are a mistake of the operator."""
    declared = client_tool(Declared(name="show", description="Show."))
    with pytest.raises(ConfigError, match="two tools with the name show"):
        Tools([declared, declared])
