"""The kinds of values under ``inUse``, and the settings that they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from regbot.config.document import MappingNode, Mistake, shown
from regbot.config.fields import (
    Expected,
    clean_text_of,
    duration_of,
    flag_of,
    text_of,
    unexpected,
    word_of,
)
from regbot.config.section import Key, Listing, RequiredKey, Section, Value
from regbot.config.shapes import ANY_TEXT, list_of, shaped, table_of, text
from regbot.errors import InvalidValue
from regbot.rules.in_use.settings import (
    Cluster,
    Command,
    ComposeFile,
    ImageList,
    InUseSettings,
    Kind,
    Source,
)

if TYPE_CHECKING:
    from regbot.rules.in_use.json_path import JsonPath
    from regbot.rules.in_use.mention import Rewrite

_CLUSTERS = Expected("a mapping", "write contexts: [...] or inCluster: true below it")
_REWRITES = Expected("a mapping", "write one such as {mirror.example.org/hub: docker.io}")


@shaped(text(pattern=r"\S"))
def named_file_of(value: Value) -> Path:
    """A file that is read when it is needed."""
    text = clean_text_of(value).strip()
    if not text:
        raise Mistake("the name is empty (name a file, or leave the key out)")
    return value.reader.folder / Path(text).expanduser()


@shaped(list_of(ANY_TEXT, least=1))
def command_of(value: Value) -> tuple[str, ...]:
    """A program and its arguments."""
    arguments = Listing(clean_text_of)(value)
    if not arguments or not arguments[0].strip():
        raise Mistake("the command is empty (write one such as [list-images, --all])")
    return arguments


@shaped(text(pattern=r"\S"))
def context_of(value: Value) -> str:
    """The name of a context."""
    text = clean_text_of(value).strip()
    if not text:
        raise Mistake("the name of a context is empty (kubectl config get-contexts lists them)")
    return text


@shaped(text("argoproj.io/v1alpha1/rollouts"))
def resource_of(value: Value) -> Kind:
    """A kind of Kubernetes objects."""
    try:
        return Kind.parse(word_of(value))
    except InvalidValue as error:
        raise Mistake(f"{error} (write one such as argoproj.io/v1alpha1/rollouts)") from None


@shaped(text(".spec.images[*].name"))
def json_path_of(value: Value) -> JsonPath:
    """A path into an object."""
    from regbot.rules.in_use.json_path import JsonPath

    try:
        return JsonPath.parse(clean_text_of(value))
    except InvalidValue as error:
        raise Mistake(f"{error} (write one such as .spec.images[*].name)") from None


@shaped(table_of(text("docker.io")))
def rewrites_of(value: Value) -> tuple[Rewrite, ...]:
    """Prefixes of references, and what stands in their place."""
    from regbot.rules.in_use.mention import Rewrite

    if not isinstance(value.node, MappingNode):
        raise unexpected(value.node, _REWRITES)
    rewrites = []
    for prefix, entry in value.node.entries.items():
        target = text_of(value.of_key(prefix, entry))
        try:
            rewrites.append(Rewrite.parse(prefix, target))
        except InvalidValue as error:
            text = f"{shown(prefix)}: {error} (write registry or registry/path on both sides)"
            raise Mistake(text) from None
    return tuple(rewrites)


class KindSection(Section):
    """A kind of objects that have images; fields of Kind."""

    called = "a kind"

    resource = RequiredKey(resource_of, "The kind, such as `argoproj.io/v1alpha1/rollouts`.")
    images = Key(
        json_path_of,
        "A path to images beside those of pod specs, such as `.spec.images[*].name`.",
    )


class KubernetesSection(Section):
    """Clusters whose images are in use; each is a Cluster."""

    contexts = Key(Listing(context_of, unique=True), "A list of contexts of the kubeconfig.")
    in_cluster = Key(
        flag_of,
        "`true` reads the cluster that regbot runs in, with the service account of its pod.",
        default=False,
    )
    kubeconfig = Key(
        named_file_of,
        "The kubeconfig file. Default: `$KUBECONFIG`, else `~/.kube/config`.",
    )
    kinds = Key(
        Listing(KindSection.read),
        "A list of further kinds of objects. Each has a `resource` such as"
        " `argoproj.io/v1alpha1/rollouts`, and may have `images`, a path such as"
        " `.spec.images[*].name`.",
    )
    helm = Key(
        flag_of,
        "`false` leaves out the releases of Helm, for an account that may not list secrets.",
        default=True,
    )

    @classmethod
    def read(cls, value: Value) -> KubernetesSection:
        """The same. One that names no cluster is a mistake."""
        if not isinstance(value.node, MappingNode):
            raise unexpected(value.node, _CLUSTERS)
        before = len(value.reader.problems)
        section = super().read(value)
        is_sound = len(value.reader.problems) == before
        if is_sound and not section.contexts and not section.in_cluster:
            raise Mistake("no cluster is named (add contexts: [...] or inCluster: true)")
        return section

    def clusters(self) -> list[Cluster]:
        """The clusters that are named."""
        kinds = tuple(
            Kind(kind.group, kind.version, kind.resource, kind.word, each.images)
            for each in self.kinds or ()
            for kind in [each.resource]
        )
        helm = self.helm is not False
        here = [Cluster("", None, kinds, helm)] if self.in_cluster else []
        contexts = self.contexts or ()
        return [*here, *(Cluster(name, self.kubeconfig, kinds, helm) for name in contexts)]


class InUseSection(Section):
    """Where images run; what it makes is an InUseSettings."""

    kubernetes = Key(KubernetesSection.read, "Kubernetes clusters.")
    compose = Key(Listing(named_file_of, unique=True), "A list of Compose files.")
    file = Key(named_file_of, "A file with one reference on each line.")
    command = Key(
        command_of,
        "A list: a program and its arguments. It prints one reference on each line.",
    )
    rewrite = Key(
        rewrites_of,
        "Prefixes of references, `registry` or `registry/path`, each with the prefix that means"
        " the same images, such as `mirror.example.org/hub: docker.io`.",
    )
    seen_within = Key(
        duration_of,
        "How long an image stays in use after it was last seen. Default: only what the sources"
        " say now is in use.",
    )

    folder = Path()

    @classmethod
    def read(cls, value: Value) -> InUseSection:
        """The same. One that names no source is a mistake."""
        before = len(value.reader.problems)
        section = super().read(value)
        section.folder = value.reader.folder
        is_sound = len(value.reader.problems) == before
        if is_sound and not section.settings().sources:
            raise Mistake("no source is named (add kubernetes, compose, file or command)")
        return section

    def settings(self) -> InUseSettings:
        """The sources, and what is done with what they say."""
        clusters = self.kubernetes.clusters() if self.kubernetes else []
        sources: list[Source] = [*clusters, *map(ComposeFile, self.compose or ())]
        if self.file:
            sources.append(ImageList(self.file))
        if self.command:
            sources.append(Command(self.command, self.folder))
        return InUseSettings(tuple(sources), self.rewrite or (), self.seen_within)
