from support.applying import *
from support.registry import *
from test_plan_killed import *
def test_swap(tmp_path):
    with bot_in(tmp_path, DISTRIBUTION_2) as bot:
        before = bot.fill(2)
        bot.configure()
        bot.make_plan()
        process = bot.start("apply", "plan.json")
        bot.registry.before("PUT", "/manifests/old0", process.kill)
        print(process.wait(60))
        print(before); print(bot.registry.tags(APP))
        d=bot.apply(); print(d.stdout, d.stderr, d.returncode); print(bot.registry.tags(APP))
        for run in bot.journalled():
            print(bot.run("undo", run))
        print(bot.registry.tags(APP))
        assert 0
