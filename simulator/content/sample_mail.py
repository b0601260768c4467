"""Realistic mail about the environment: laboratory results, field reports, replies, bounces, alarms of loggers."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from html import escape
from random import Random

from simulator.content.mail import (
    Attachment,
    Mail,
    Person,
    file_attachment,
    inline_attachment,
    item_attachment,
    reference_attachment,
)
from simulator.content.sample_documents import logger_csv, pdf, results_csv
from simulator.content.sample_images import chart, photograph
from simulator.identifiers import Identifiers

_PEOPLE = (
    Person("Hélène Lefèvre", "helene.lefevre@labo-eaux.example"),
    Person("Résultats – Labo des Eaux", "resultats@labo-eaux.example"),
    Person("Siobhán O'Neill", "siobhan.oneill@clearwater-labs.example"),
    Person("Clearwater Labs Reporting", "reporting@clearwater-labs.example"),
    Person("François Désiré Çelik", "francois.celik@terrain.example"),
    Person("Jörg Müller", "joerg.mueller@hydro.example"),
    Person("Anna Kowalczyk-Węgrzyn", "anna.kowalczyk@hydro.example"),
    Person("Tom Baker", "tom.baker@fieldwork.example"),
)
_STATIONS = (
    "PZ-04 Étang-Neuf",
    "PZ-11 Moulin",
    "RIV-2 Œuilly",
    "BH-17 Quarry North",
    "BH-22 Landfill East",
    "AIR-3 Port",
)
_LOGGERS = ("LOG-0231", "LOG-0417", "LOG-0533", "LOG-0608")
_EMOJI = ("", "", "", "", " 💧", " ✅", " 📷", " 🧪")
_REMEMBERED = 40


class SampleMail:
    """Writes mail; the same `random` state and clock give the same mail, byte for byte."""

    def __init__(self, random: Random, clock: Callable[[], datetime]) -> None:
        self._random = random
        self._clock = clock
        self._identifiers = Identifiers(random)
        self._photographs = [photograph(random) for _ in range(4)]
        self._chart = chart()
        self._earlier: dict[str, deque[Mail]] = {}

    def mail_to(self, address: str, name: str) -> Mail:
        """Return a mail to that address; a fair share continue conversations begun earlier."""
        recipient = Person(name, address)
        earlier = self._earlier.setdefault(address, deque(maxlen=_REMEMBERED))
        mail = self._compose(recipient, earlier)
        earlier.append(mail)
        return mail

    def _compose(self, recipient: Person, earlier: deque[Mail]) -> Mail:
        draw = self._random.random()
        if draw < 0.35:
            return self.laboratory_results(recipient)
        if draw < 0.60:
            return self.field_report(recipient)
        if draw < 0.80:
            return self.logger_alarm(recipient)
        if draw < 0.95 and earlier:
            return self.reply(self._random.choice(earlier), recipient)
        return self.bounce(recipient)

    def laboratory_results(self, recipient: Person) -> Mail:
        """Return results as CSV with a PDF report, in French or English."""
        french = self._random.random() < 0.5
        sender = self._random.choice(_PEOPLE[:2] if french else _PEOPLE[2:4])
        station = self._random.choice(_STATIONS)
        number = f"{self._random.randrange(10_000, 99_999)}"
        sampled = self._clock() - timedelta(days=self._random.randrange(3, 12), hours=self._random.randrange(8))
        if french:
            subject = f"Résultats d’analyse n° {number} – {station}{self._emoji()}"
            intro = f"Bonjour,<br>Veuillez trouver ci-joint les résultats du prélèvement du {sampled:%d/%m/%Y}."
            names = (f"résultats_{number}.csv", f"Rapport d'essai {number}.pdf")
        else:
            subject = f"Certificate of analysis {number} - {station}{self._emoji()}"
            intro = f"Dear all,<br>Please find attached the results of the samples taken on {sampled:%d %B %Y}."
            names = (f"results_{number}.csv", f"Certificate {number}.pdf")
        table = results_csv(self._random, station, sampled, french=french)
        report = pdf(
            [subject, "", f"{station}, {sampled:%Y-%m-%d %H:%M} UTC", "", *table.decode("utf-8-sig").splitlines()]
        )
        attachments = [
            file_attachment(names[0], table, "text/csv"),
            file_attachment(names[1], report, "application/pdf"),
        ]
        if self._random.random() < 0.05:
            attachments.append(reference_attachment("Archive.zip", f"https://files.example/{number}/archive.zip"))
        return self._mail(sender, recipient, subject, f"<p>{intro}</p>", tuple(attachments), copies=1)

    def field_report(self, recipient: Person) -> Mail:
        """Return a report with photographs, some shown in the text."""
        sender = self._random.choice(_PEOPLE[4:])
        station = self._random.choice(_STATIONS)
        french = sender is _PEOPLE[4]
        subject = f"{'Compte rendu de tournée' if french else 'Field report'} – {station}{self._emoji()}"
        text = (
            "Niveau relevé, pompe nettoyée ; photos ci-dessous. Accès difficile après l’orage."
            if french
            else "Level taken, pump cleaned; photographs below. Access was difficult after the storm."
        )
        content_id = f"image{self._random.randrange(1_000)}.{self._random.randrange(16**8):08X}@terrain.example"
        inline = inline_attachment("image001.png", self._chart, "image/png", content_id)
        attachments: list[Attachment] = [inline]
        for number in range(self._random.randrange(4)):
            picture = self._random.choice(self._photographs)
            attachments.append(
                file_attachment(f"IMG_{self._random.randrange(9_999):04}_{number}.jpg", picture, "image/jpeg")
            )
        body = f'<p>{escape(text)}</p><p><img src="cid:{content_id}" alt=""></p>'
        return self._mail(sender, recipient, subject, body, tuple(attachments), copies=2)

    def logger_alarm(self, recipient: Person) -> Mail:
        """Return an alarm in plain text, at times with the readings."""
        logger = self._random.choice(_LOGGERS)
        now = self._clock()
        level = self._random.uniform(3.5, 5.0)
        body = (
            f"ALARM {logger}\r\nTime: {now:%Y-%m-%d %H:%M} UTC\r\nLevel: {level:.2f} m (threshold 3.50 m)\r\n"
            f"Battery: {self._random.uniform(3.1, 3.6):.2f} V\r\nSeuil dépassé – vérifier sur place.\r\n"
        )
        readings = file_attachment(f"{logger}.csv", logger_csv(self._random, logger, now), "text/csv")
        attachments = (readings,) if self._random.random() < 0.4 else ()
        sender = Person(f"Télésurveillance {logger}", f"{logger.lower()}@loggers.example")
        return self._mail(
            sender, recipient, f"ALARM {logger} level high", body, attachments, is_html=False, importance="high"
        )

    def reply(self, earlier: Mail, recipient: Person) -> Mail:
        """Return an answer in the conversation of an earlier mail."""
        sender = self._random.choice(_PEOPLE)
        subject = earlier.subject or ""
        if not subject.startswith(("RE: ", "Re : ")):
            subject = self._random.choice(("RE: ", "Re : ")) + subject
        body = f"<p>Merci, bien reçu{self._emoji()} – thanks!</p><hr><blockquote>{escape(subject)}</blockquote>"
        headers = (("In-Reply-To", earlier.internet_message_id or ""),)
        conversation = earlier.conversation_id
        return self._mail(sender, recipient, subject, body, headers=headers, conversation=conversation, copies=1)

    def bounce(self, recipient: Person) -> Mail:
        """Return a non-delivery report with the original attached as an item."""
        original = self._mail(recipient, self._random.choice(_PEOPLE), "Demande d’échantillonnage", "<p>Bonjour</p>")
        sender = Person("Microsoft Outlook", "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@gateway.example")
        body = "<p>Your message couldn't be delivered. / Votre message n’a pas pu être remis.</p>"
        subject = f"Undeliverable: {original.subject}"
        return self._mail(sender, recipient, subject, body, (item_attachment(original),))

    def _mail(
        self,
        sender: Person,
        recipient: Person,
        subject: str,
        body: str,
        attachments: tuple[Attachment, ...] = (),
        *,
        is_html: bool = True,
        importance: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        conversation: str | None = None,
        copies: int = 0,
    ) -> Mail:
        others = [person for person in _PEOPLE if person is not sender]
        return Mail(
            subject=subject,
            sender=sender,
            to=(recipient,),
            cc=tuple(self._random.sample(others, self._random.randint(0, copies))),
            body=f"<html><body>{body}</body></html>" if is_html else body,
            is_html=is_html,
            importance=importance or self._random.choice(("normal", "normal", "normal", "high", "low")),
            sent=self._clock() - timedelta(seconds=self._random.randrange(2, 90)),
            internet_message_id=f"<{self._identifiers.guid()}@{(sender.address or '').partition('@')[2]}>",
            conversation_id=conversation or self._identifiers.folder_id(),
            attachments=attachments,
            headers=headers,
        )

    def _emoji(self) -> str:
        return self._random.choice(_EMOJI)
