import pytest

from regbot.lua.flavours import available_flavours


@pytest.fixture(params=available_flavours())
def flavour(request):
    """Every Lua that scripts may meet."""
    return request.param
