"""Rules, checked and ready for use: which of them a message matches. No I/O.

All conditions of a rule must hold; a mail is checked against all rules. Those given are checked, whether they are
enabled or not, and whenever they were enabled: the caller selects them.
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, TypeVar

from phrases import Phrase
from rules.addresses import AddressSet, BadAddress
from rules.attachments import AttachmentCondition
from rules.folders import BadFolder, check_folder
from rules.mail import MailFacts
from rules.patterns import BadPattern, BodyWords, Regex
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
_Key = TypeVar("_Key")


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

    def check(self, mail: PreparedMail) -> Verdict:
        """The verdict on a message."""
        for holds, failed in self._conditions:
            if not holds(mail):
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
        self._by_sender: dict[str, list[int]] = {}
        self._by_recipient: dict[str, list[int]] = {}
        self._by_subject: dict[str, list[int]] = {}
        self._by_account: dict[int | None, list[int]] = {}
        for place, rule in enumerate(self.rules):
            self._index(place, rule)

    def check(self, facts: MailFacts) -> list[Verdict]:
        """The verdict of each rule, in their order."""
        mail = PreparedMail(facts)
        return [rule.check(mail) for rule in self.rules]

    def matching(self, facts: MailFacts) -> Matches:
        """The rules that the message matches: those of `check`, without a look at each of the others."""
        mail = PreparedMail(facts)
        matched = []
        needs_archives = False
        for place in self._candidates(mail):
            verdict = self.rules[place].check(mail)
            if verdict.matches:
                matched.append(verdict.rule)
            needs_archives = needs_archives or verdict.needs_archives
        return Matches(tuple(matched), needs_archives)

    def _index(self, place: int, rule: CompiledRule) -> None:
        """Note the rule under all that a mail must have to match it, in one index, the most selective."""
        if rule.senders is not None:
            _note(self._by_sender, rule.senders.keys, place)
        elif rule.recipients is not None:
            _note(self._by_recipient, rule.recipients.keys, place)
        elif rule.rule.subject_kind is SubjectKind.IS:
            _note(self._by_subject, rule.subjects, place)
        else:
            _note(self._by_account, (rule.rule.account_id,), place)

    def _candidates(self, mail: PreparedMail) -> Sequence[int]:
        """Places of the rules that the message may match, in their order."""
        unindexed = self._by_account.get(None, [])
        found = set(self._by_account.get(mail.facts.account_id, ()))
        if self._by_sender:
            found.update(_noted(self._by_sender, mail.sender_keys))
        if self._by_recipient:
            found.update(_noted(self._by_recipient, mail.recipient_keys))
        if self._by_subject:
            found.update(self._by_subject.get(mail.collapsed_subject, ()))
        return sorted([*unindexed, *found]) if found else unindexed


def _note(index: dict[_Key, list[int]], keys: Iterable[_Key], place: int) -> None:
    for key in keys:
        index.setdefault(key, []).append(place)


def _noted(index: dict[str, list[int]], keys: AbstractSet[str]) -> Iterable[int]:
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
        return _matching(rule.rule.subjects)
    if len(texts) == 1:
        [text] = texts
        return lambda mail: text in mail.subject
    return lambda mail: any(each in mail.subject for each in texts)


def _matching(texts: Sequence[str]) -> _Holds:
    try:
        expressions = tuple(map(Regex, texts))
    except BadPattern as exc:
        raise BadRule("subjects", Phrase.of(exc)) from exc
    return lambda mail: any(each.fits(mail.encoded_subject) for each in expressions)


def _body_condition(texts: Sequence[str]) -> _Holds | None:
    try:
        choices = tuple(map(BodyWords, texts))
    except BadPattern as exc:
        raise BadRule("body_words", Phrase.of(exc)) from exc
    return (lambda mail: any(each.fit(mail.body) for each in choices)) if choices else None
