"""Rules, checked and ready for use: which of them a message matches. No I/O.

All conditions of a rule must hold; a mail is checked against all rules. Those given are checked, whether they are
enabled or not, and whenever they were enabled: the caller selects them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from phrases import Phrase
from rules.addresses import AddressSet, BadAddress
from rules.attachments import AttachmentCondition
from rules.folders import BadFolder, check_folder
from rules.grouped import GroupedExpressions
from rules.mail import MailFacts
from rules.patterns import BadPattern, BodyWords, Regex, line_expression, literal
from rules.prepared import PreparedMail, collapsed
from rules.rule import Container, Rule, SubjectKind
from rules.templates import BadTemplate, Template
from rules.texts import comparable

MAX_NAME: Final = 200

# The conditions, in the order in which they are checked: those that cost least come first.
ACCOUNT: Final = "account"
SENDERS: Final = "senders"
RECIPIENTS: Final = "recipients"
SUBJECT: Final = "subject"
HAS_ATTACHMENTS: Final = "has_attachments"
ATTACHMENTS: Final = "attachments"
BODY: Final = "body"
CONDITIONS: Final = (ACCOUNT, SENDERS, RECIPIENTS, SUBJECT, HAS_ATTACHMENTS, ATTACHMENTS, BODY)

_Holds = Callable[[PreparedMail], bool]


class BadRule(ValueError):
    """A rule cannot be used. The text is a phrase that names the field and the cause.

    `field`: of `Rule`; `problem`: the cause alone.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(Phrase("{field}: {problem}", field=field, problem=problem))
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a rule for a message. `failed`: the first of CONDITIONS that does not hold; None: it matches.

    `needs_archives`: the list of a `.zip` is missing, on which it depends whether the rule matches, or what it saves.
    Read the lists (`AttachmentFacts.members`) and check again; without them the verdict stands.
    """

    rule: "CompiledRule"
    matches: bool
    failed: str | None
    needs_archives: bool = False


@dataclass(frozen=True, slots=True)
class Matches:
    """The rules that a message matches, in their order. `needs_archives`: that of one of all verdicts."""

    rules: Sequence["CompiledRule"]
    needs_archives: bool


class CompiledRule:
    """A rule without mistakes, ready for use."""

    def __init__(self, rule: Rule) -> None:
        """Raises BadRule."""
        _check_fields(rule)
        self.rule = rule
        self.senders = _addresses("senders", rule.senders)
        self.recipients = _addresses("recipients", rule.recipients, wildcards=True)
        self.subjects = _subjects(rule)
        self.expressions = _expressions(rule)
        self.attachments = _attachments(rule)
        self.template = _template(rule)
        self._conditions = _conditions(self)
        self._unpacks_archives = Container.ZIP in rule.unpack
        self._matched = Verdict(self, True, None)
        self._matched_so_far = Verdict(self, True, None, needs_archives=True)
        self._undecided = Verdict(self, False, ATTACHMENTS, needs_archives=True)

    @property
    def is_unconditional(self) -> bool:
        """True if every mail matches, or every mail of the rule's account."""
        return all(verdict.failed == ACCOUNT for _, verdict in self._conditions)

    def check(self, mail: PreparedMail, known: str = "") -> Verdict:
        """The verdict on a message. `known`: a condition that is known not to hold; earlier ones are checked."""
        for holds, failed in self._conditions:
            if failed.failed == known or not holds(mail):
                return failed
        if self._unpacks_archives and mail.unread_archives(self.attachments.unpack):
            return self._without_lists(mail)
        return self._matched

    def _without_lists(self, mail: PreparedMail) -> Verdict:
        if self.attachments.is_set and not mail.fits(self.attachments):
            return self._undecided
        return self._matched_so_far if self.rule.save_attachments else self._matched


class CompiledRules:
    """Rules against which mail is checked, by position and number."""

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        self.rules: Sequence[CompiledRule] = tuple(
            sorted(rules, key=lambda each: (each.rule.position, each.rule.rule_id))
        )
        self._index = _Index(self.rules)

    def check(self, facts: MailFacts) -> list[Verdict]:
        """The verdict of each rule, in their order."""
        mail = PreparedMail(facts)
        found = frozenset(self._index.places(mail))
        return [
            rule.check(mail) if place in found else rule.check(mail, self._index.conditions[place])
            for place, rule in enumerate(self.rules)
        ]

    def matching(self, facts: MailFacts) -> Matches:
        """The rules that the message matches: those of `check`, without a look at each of the others."""
        mail = PreparedMail(facts)
        matched = []
        needs_archives = False
        for place in self._index.places(mail):
            verdict = self.rules[place].check(mail)
            if verdict.matches:
                matched.append(verdict.rule)
            needs_archives = needs_archives or verdict.needs_archives
        return Matches(tuple(matched), needs_archives)


class _Index:
    """The places of rules by one of their conditions, the most selective that can be looked up for all at once.

    `conditions`: that of each rule; empty: it must be checked against every mail.
    """

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self.conditions = tuple(map(_indexed_condition, rules))
        self._others = [place for place, condition in enumerate(self.conditions) if not condition]
        places = {word: [place for place, each in enumerate(self.conditions) if each == word] for word in CONDITIONS}
        self._accounts: dict[int | None, list[int]] = {}
        for place in places[ACCOUNT]:
            self._accounts.setdefault(rules[place].rule.account_id, []).append(place)
        senders = [(place, rules[place].senders) for place in places[SENDERS]]
        recipients = [(place, rules[place].recipients) for place in places[RECIPIENTS]]
        subjects = [(place, rules[place]) for place in places[SUBJECT]]
        names = [(place, rules[place].attachments.names) for place in places[ATTACHMENTS]]
        self._senders = _by_key((place, each.keys) for place, each in senders if each)
        self._recipients = _by_key((place, each.keys) for place, each in recipients if each)
        self._starred = _lines((place, each.starred) for place, each in recipients if each)
        is_one = [(place, each.subjects) for place, each in subjects if each.rule.subject_kind is SubjectKind.IS]
        contains = [
            (place, each.subjects) for place, each in subjects if each.rule.subject_kind is SubjectKind.CONTAINS
        ]
        self._subjects = _by_key(is_one)
        self._contained = GroupedExpressions([(place, literal(text)) for place, texts in contains for text in texts])
        self._expressions = GroupedExpressions([(place, text) for place, each in subjects for text in each.expressions])
        self._names = _by_key((place, each.keys) for place, each in names if each)
        self._wild_names = _lines((place, each.searched) for place, each in names if each)

    def places(self, mail: PreparedMail) -> Sequence[int]:
        """Places of the rules that the message may match, in their order."""
        found = set(self._accounts.get(mail.facts.account_id, ()))
        found.update(self._by_people(mail))
        found.update(self._by_subject(mail))
        if mail.facts.attachments:
            found.update(self._by_names(mail))
        return sorted([*self._others, *found]) if found else self._others

    def _by_people(self, mail: PreparedMail) -> Iterator[int]:
        if self._senders:
            yield from _noted(self._senders, mail.sender_keys)
        if self._recipients:
            yield from _noted(self._recipients, mail.recipient_keys)
        if self._starred:
            yield from self._starred.places(mail.recipient_lines)

    def _by_subject(self, mail: PreparedMail) -> Iterator[int]:
        if self._subjects:
            yield from self._subjects.get(mail.collapsed_subject, ())
        if self._contained:
            yield from self._contained.places(mail.subject_line)
        if self._expressions:
            yield from self._expressions.places(mail.encoded_subject)

    def _by_names(self, mail: PreparedMail) -> Iterator[int]:
        if self._names:
            yield from _noted(self._names, mail.attachment_keys)
        if self._wild_names:
            yield from self._wild_names.places(mail.attachment_lines)


def _indexed_condition(rule: CompiledRule) -> str:
    if rule.senders is not None:
        return SENDERS
    if rule.recipients is not None:
        return RECIPIENTS
    if rule.rule.subject_kind is not None:
        return SUBJECT
    # A `.zip` whose list was not read may have a file that fits.
    if rule.attachments.names is not None and Container.ZIP not in rule.rule.unpack:
        return ATTACHMENTS
    return "" if rule.rule.account_id is None else ACCOUNT


def _by_key(entries: Iterable[tuple[int, Iterable[str]]]) -> Mapping[str, Sequence[int]]:
    index: dict[str, list[int]] = {}
    for place, keys in entries:
        for key in keys:
            index.setdefault(key, []).append(place)
    return index


def _lines(entries: Iterable[tuple[int, Iterable[str]]]) -> GroupedExpressions:
    return GroupedExpressions([(place, line_expression(each)) for place, wildcards in entries for each in wildcards])


def _noted(index: Mapping[str, Sequence[int]], keys: AbstractSet[str]) -> Iterable[int]:
    return (place for key in keys for place in index.get(key, ()))


def _check_fields(rule: Rule) -> None:
    _check_name(rule.name)
    try:
        check_folder(rule.folder)
    except BadFolder as exc:
        raise BadRule("folder", Phrase.of(exc)) from exc
    _check_sizes(rule)
    if not (rule.save_attachments or rule.save_body or rule.save_original):
        raise BadRule(
            "save_attachments",
            Phrase("The rule saves nothing: save attachments, the body or the original."),
        )


def _check_name(name: str) -> None:
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
        raise BadRule(
            "name",
            Phrase("A rule needs a name of at most {limit} characters, without control characters.", limit=MAX_NAME),
        )


def _check_sizes(rule: Rule) -> None:
    for field, size in (("size_least", rule.size_least), ("size_most", rule.size_most)):
        if size is not None and (isinstance(size, bool) or size < 0):
            raise BadRule(field, Phrase("{value!r} is no number of bytes.", value=size))
    if rule.size_least is not None and rule.size_most is not None and rule.size_least > rule.size_most:
        raise BadRule(
            "size_least",
            Phrase(
                "No attachment has at least {least} and at most {most} bytes.",
                least=rule.size_least,
                most=rule.size_most,
            ),
        )


def _addresses(field: str, texts: Sequence[str], *, wildcards: bool = False) -> AddressSet | None:
    try:
        return AddressSet(texts, wildcards=wildcards) if texts else None
    except BadAddress as exc:
        raise BadRule(field, Phrase.of(exc)) from exc


def _attachments(rule: Rule) -> AttachmentCondition:
    try:
        return AttachmentCondition(rule)
    except BadPattern as exc:
        raise BadRule("attachment_names", Phrase.of(exc)) from exc


def _template(rule: Rule) -> Template | None:
    try:
        return None if rule.file_name is None else Template(rule.file_name)
    except BadTemplate as exc:
        raise BadRule("file_name", Phrase.of(exc)) from exc


def _subjects(rule: Rule) -> AbstractSet[str]:
    """The texts of the subject in the form in which they are compared; no regular expressions."""
    if rule.subject_kind is None and rule.subjects:
        raise BadRule("subject_kind", Phrase("A text of the subject needs a comparison: is, contains or matches."))
    if rule.subject_kind is not None and not rule.subjects:
        raise BadRule("subjects", Phrase("A comparison of the subject needs a text."))
    if not all(each.strip() for each in rule.subjects):
        raise BadRule("subjects", Phrase("A text of the subject is empty."))
    texts = map(comparable, rule.subjects)
    if rule.subject_kind is SubjectKind.IS:
        return frozenset(map(collapsed, texts))
    return frozenset(texts if rule.subject_kind is SubjectKind.CONTAINS else ())


def _expressions(rule: Rule) -> Sequence[str]:
    """The regular expressions of the subject, which all compile."""
    if rule.subject_kind is not SubjectKind.MATCHES:
        return ()
    try:
        return tuple(Regex(each).text for each in rule.subjects)
    except BadPattern as exc:
        raise BadRule("subjects", Phrase.of(exc)) from exc


def _conditions(rule: CompiledRule) -> Sequence[tuple[_Holds, Verdict]]:
    made: list[tuple[str, _Holds | None]] = [
        (ACCOUNT, _account_condition(rule.rule.account_id)),
        (SENDERS, _sender_condition(rule.senders)),
        (RECIPIENTS, _recipient_condition(rule.recipients)),
        (SUBJECT, _subject_condition(rule)),
        (HAS_ATTACHMENTS, _presence_condition(rule.rule.has_attachments)),
        (ATTACHMENTS, _attachment_condition(rule.attachments)),
        (BODY, _body_condition(rule.rule.body_words)),
    ]
    return tuple((holds, Verdict(rule, False, word)) for word, holds in made if holds is not None)


def _account_condition(account_id: int | None) -> _Holds | None:
    return None if account_id is None else lambda mail: mail.facts.account_id == account_id


def _sender_condition(senders: AddressSet | None) -> _Holds | None:
    return None if senders is None else lambda mail: senders.fit(mail.senders, mail.sender_keys)


def _recipient_condition(recipients: AddressSet | None) -> _Holds | None:
    return None if recipients is None else lambda mail: recipients.fit(mail.recipients, mail.recipient_keys)


def _presence_condition(wanted: bool | None) -> _Holds | None:
    return None if wanted is None else lambda mail: mail.has_attachments is wanted


def _attachment_condition(condition: AttachmentCondition) -> _Holds | None:
    """Holds also where it depends on a list that was not read: `check` decides that when all others hold."""
    if not condition.is_set:
        return None
    if Container.ZIP in condition.unpack:
        return lambda mail: mail.fits(condition) or mail.unread_archives(condition.unpack)
    return lambda mail: mail.fits(condition)


def _subject_condition(rule: CompiledRule) -> _Holds | None:
    texts = rule.subjects
    if rule.rule.subject_kind is None:
        return None
    if rule.rule.subject_kind is SubjectKind.IS:
        return lambda mail: mail.collapsed_subject in texts
    if rule.rule.subject_kind is SubjectKind.MATCHES:
        expressions = tuple(map(Regex, rule.expressions))
        return lambda mail: any(each.fits(mail.encoded_subject) for each in expressions)
    if len(texts) == 1:
        [text] = texts
        return lambda mail: text in mail.subject
    return lambda mail: any(each in mail.subject for each in texts)


def _body_condition(texts: Sequence[str]) -> _Holds | None:
    try:
        choices = tuple(map(BodyWords, texts))
    except BadPattern as exc:
        raise BadRule("body_words", Phrase.of(exc)) from exc
    return (lambda mail: any(each.fit(mail.body) for each in choices)) if choices else None
