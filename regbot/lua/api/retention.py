"""``retention.*``: the rules of the config, for scripts."""

from __future__ import annotations

from regbot.lua.api.context import Context
from regbot.lua.api.names import REPOSITORY
from regbot.lua.binding import TABLE, Binding, Parameter, Passed, plain
from regbot.oci.reference import Reference


def _decide(context: Context, repository: Reference, rules: object) -> Passed:
    from regbot.config.tables import policy_of_table
    from regbot.rules.content import StoreContent
    from regbot.rules.deciding import decide

    policy = policy_of_table(rules, in_use=context.in_use is not None)
    store = context.stores.open(repository)
    content = StoreContent(
        store, context.stop, blob_limit=context.blob_limit, script=context.script, emit=context.emit
    )
    decisions = decide(content, policy, context.now(), context.in_use)
    context.seen.tags(repository, [decision.tag for decision in decisions.all])
    for decision in decisions.all:
        if decision.digest:
            context.seen.digest(repository.with_tag(decision.tag), decision.digest)
    return plain(
        [
            {
                "tag": decision.tag,
                "digest": str(decision.digest) if decision.digest else None,
                "keep": decision.keep,
                "reason": decision.reason,
                "rule": decision.rule,
            }
            for decision in decisions.all
        ]
    )


BINDINGS = (
    Binding(
        name="retention.decide",
        doc="What retention rules say about each tag of a repository. Nothing is deleted. The rules"
        " are written as under retention in the config, as a table:"
        ' {keep = {{tags = {"v*"}}, {newest = {count = 5}}}}. The result is a list with a table for'
        " each tag, in the order of tag.ls. The table has tag, keep (whether the tag stays),"
        " reason, rule (the number of the rule that keeps it) and digest (nil if no rule needed"
        " it). If a tag moves after this, tag.delete skips it.",
        parameters=(
            Parameter("repo", REPOSITORY, "the repository; a tag in it is ignored"),
            Parameter("rules", TABLE, "the rules"),
        ),
        run=_decide,
        result="table[]",
    ),
)
