"""Write the handbook's PDF and DOCX files: `.venv/bin/python examples/make_handbook.py [FOLDER]`.

The other files of the handbook are written by hand. The same versions of reportlab and python-docx write the
same bytes each time. Needs the `dev` extra.

The texts below use a small markup of blocks between blank lines: "# " is the title, "## " a heading, "- " and
"1. " the items of a list (no blank line between them), and "| " a row of a table, whose first row is its
header. Any other block is a paragraph.
"""

from __future__ import annotations

import argparse
import re
import sys
import zipfile
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape

from docx import Document
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import StyleSheet1, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

COMPANY = "Ardfallen Instruments"
WRITTEN = datetime(2026, 1, 5, 9, 0)  # noqa: DTZ001 - DOCX properties carry no time zone

TRAVEL = """
# Travel and Expenses Policy

Owner: Ingrid Sahlmann, Finance Director. In force from 1 January 2026. This policy applies to all
employees, and to applicants whom we invite to an interview. Spend the company's money as carefully as your
own, and nobody will ask twice.

## 1. Before you travel

Enter every trip in the expenses app before you book it. Your manager approves trips with an estimated cost
of up to €1,500; dearer trips, and all trips outside Europe, also need the approval of the Finance Director.
Service calls under a maintenance contract count as approved.

Ask first whether a video call would do. Trips of two or more people to the same internal meeting are
approved for one person unless each of them has a part of their own to present.

Flights are booked at least 14 days ahead and trains at least 7 days ahead, through the travel desk
(travel@ardfallen.example). You may book elsewhere only if the travel desk is closed and the journey begins
within 24 hours.

## 2. Trains and flights

Take the train if the journey takes less than five hours from door to door. Second class is the rule; first
class is allowed on journeys of more than three hours, or when it is the cheaper ticket on the day of
booking.

All flights are in economy class. Premium economy is allowed if the scheduled flying time exceeds seven
hours. Business class is allowed only if it exceeds ten hours, you work on the day of arrival, and the chief
executive has agreed.

Miles and points belong to you. They must not influence which ticket you choose.

## 3. Cars

For your own car we pay €0.38 a kilometre, which covers fuel, wear and insurance. For journeys of more than
300 kilometres there and back, take a hire car of the compact class or a pool car instead; otherwise only
the first 300 kilometres are paid.

Taxis are paid between 22:00 and 06:00, with heavy luggage or instruments, and where no bus or train would
arrive within the hour. Fines for speeding and parking are yours.

## 4. Hotels

The company pays the actual price of a room up to the limit of its band. Limits are per night and per room,
and include taxes and breakfast.

| Band | Where | Limit per night |
| A | London, New York, Paris, San Francisco, Singapore, Tokyo, Zürich | €230 |
| B | Amsterdam, Berlin, Copenhagen, Dublin, Milan, Munich, Stockholm, Vienna | €175 |
| C | All other places in Europe | €130 |
| D | All other places in the world | €150 |

A limit may be exceeded by up to 20 % during a trade fair or if the only hotels left are dearer; add a
screenshot of the search to your claim. Anything beyond that needs the Finance Director's approval before
the stay.

If you stay with friends or relatives, you may spend up to €30 a night on a present for your hosts.

## 5. Meals

We pay what you actually spent, not a flat rate. The limits are €12 for breakfast, €18 for lunch and €35 for
dinner, tips of up to 10 % included. A meal that the hotel, the airline or the customer provided cannot be
claimed.

Alcohol is not paid, except with a meal to which you have invited customers. Such a meal may cost up to €70
a person. Write the names of all guests, their organisations and the purpose on the receipt. There may not
be more of us at the table than guests.

## 6. Claims

1. Photograph each receipt in the expenses app on the day you get it.
2. Submit your claim within 30 days of the end of the trip.
3. Your manager approves or returns it within five working days.
4. Claims approved by Wednesday noon are paid with the run on Friday of the following week.

Claims that are submitted later than 90 days after the trip are not paid. If a receipt is lost, a signed
statement takes its place up to €25; beyond that, ask the seller for a copy.

Sums in other currencies are converted at the rate on your card statement. If you paid in cash, the rate of
the European Central Bank on the day of payment applies.

## 7. Company cards

A company card is issued to people who make at least six trips a year. Its limit is €4,000 a month; Finance
can raise it for one trip. Cash withdrawals of up to €200 a trip are allowed outside the euro area. A card
with which private purchases are made is withdrawn after the second occasion.

## 8. Travelling time

Travelling time within your normal working hours is working time. Of travelling time outside them, half is
credited as time off, up to eight hours for each trip. Days of a weekend on which you travel or work for a
customer are credited in full.

## 9. Safety and private days

You are insured from door to door, including medical costs and transport home. The number of the assistance
centre is on the back of your badge. Journeys to countries for which a travel warning exists are not
approved.

You may add private days before or after a trip. The company then pays the fare that the trip alone would
have cost, and the insurance does not cover the private days.

## 10. What is not paid

- Minibar, films, laundry on trips of fewer than five nights, and upgrades of any kind
- Costs of people who travel with you privately
- Lounge access, seat reservations on aeroplanes and more than one piece of checked luggage, unless it holds
  tools or instruments
- Replacement of private belongings that were lost or stolen
"""

SECURITY = """
# Information Security Policy

Owner: Farid Benali, Information Security Officer. In force from 15 February 2026; the next review is due in
February 2027. This policy applies to everyone who has an Ardfallen account, including contractors.

## 1. Passwords and sign-in

A password has at least 14 characters. Accounts with administrator rights have passwords of at least 20
characters and are never used for e-mail or browsing. Use a different password for every service and keep
them in the company's password manager; browsers must not store them.

Passwords do not expire. Change yours within 24 hours if you suspect that somebody else knows it, or when
the IT service desk tells you to. Nobody in the company, the service desk included, will ever ask you for a
password.

A second factor is required for every sign-in from outside our sites, and for every sign-in of an
administrator wherever it is made. Use the authenticator app or a hardware key; codes by text message are
not accepted.

An account is locked for 30 minutes after ten failed attempts. The service desk unlocks it earlier only
after a video call in which you show your badge.

## 2. Classes of information

Whoever creates a document gives it one of four classes. A document without a mark counts as Internal.

| Class | Examples | How to handle it |
| Public | Data sheets, job adverts | No restrictions once Marketing has released it |
| Internal | Handbook, organisation charts | Within the company; for partners under an agreement |
| Confidential | Customer data, prices, calibration results | Named groups only; encrypted outside the company |
| Restricted | Unreleased designs, health data, signing keys | Named persons only; never by e-mail |

Paper that is Confidential or Restricted goes into the locked shredding bins. Take prints away from the
printer at once: jobs that nobody collects are deleted after eight hours.

## 3. Devices and networks

Your screen locks itself after five minutes, and you lock it whenever you get up. Disks are encrypted.
Security updates rated critical are installed within seven days of their release, all others within 30 days;
a device that is further behind loses access to the network.

Away from our sites, the VPN is on whenever you work. Public wireless networks may be used with the VPN
only. At home, change the default password of your router and keep work off shared family computers.

USB sticks are blocked. Where an instrument can be updated in no other way, Field Service uses the numbered
sticks that the service desk issues and scans.

Private phones may receive company mail if the management profile is installed. It allows us to delete the
company's data, and nothing else, from a distance.

## 4. Cloud and artificial intelligence

Company data is stored only in services that are listed in the software catalogue. A new service is examined
by the Information Security Officer within 15 working days of the request.

AI assistants may be given Public and Internal information. Confidential information may be entered only in
the assistant that runs on our own servers, and Restricted information in none. Whoever uses a generated
text or program is responsible for it as if they had written it.

## 5. Reporting incidents

Report every suspected security incident within four hours of noticing it to the security hotline, extension
4444, which is staffed around the clock. Within one hour, report a lost or stolen device and any suspicion
of ransomware. Reporting late is a breach of this policy; having made a mistake is not.

- Ransomware or strange behaviour: unplug the network cable, switch off wireless, leave the device running.
- Suspicious e-mail: use the report button. Do not forward it.
- You entered a password on a false page: change it, then call.
- Personal data sent to the wrong person: call even if they promised to delete it.

The hotline opens a case and names somebody who keeps you informed. Where personal data is affected, the
Data Protection Officer, Aoife Lally, decides whether the supervisory authority must be notified, which has
to happen within 72 hours.

Do not discuss an incident outside the company. After every serious case a review without blame is published
internally within 20 working days.

## 6. Access rights

Access is granted by role, and for the shortest time that will do. Managers confirm the rights of their
people twice a year, in May and November. When somebody changes department, the old rights end after ten
working days; when somebody leaves, all rights end at 18:00 on the last working day.

Suppliers who maintain our systems receive access for one session at a time, and somebody watches.

## 7. Backups

Servers and shared folders are backed up every night. Backups are kept for 35 days, and one of each month
for a year. Files that lie only on your laptop are not backed up. IT practises a full restoration every
quarter.

## 8. Training and tests

New employees complete the security course and its test within their first ten working days. Everyone
repeats it once a year. Test messages that imitate phishing are sent four times a year; whoever falls for
two in a row gets half an hour of personal coaching, and their manager is not told.

## 9. Exceptions

The Information Security Officer may grant an exception in writing, for 90 days at most. Exceptions for
Restricted information are granted by the chief executive. The list of exceptions is reviewed every month.
"""

PARENTAL = """
# Parental Leave

Owner: Tomás Brennan, Head of People. In force from 1 January 2026, for children who are born or placed on
or after that day. Where the law of your country gives you more, the law applies.

## Who is covered

This policy covers all parents, whether by birth, adoption, surrogacy or long-term fostering, of any gender
and in any form of family. The pay below requires 26 weeks of service on the due date or the day of
placement. With less service you receive what the law of your country provides.

## Leave and pay

| Who | Weeks of leave | Pay |
| Birth parent | 26 | full pay for 18 weeks, then half pay for 8 weeks |
| Other parent | 6 | full pay |
| Adoptive or surrogate parent, main carer | 24 | full pay for 16 weeks, then half pay for 8 weeks |
| Foster parent, placement of at least a year | 2 | full pay |

State benefits that you receive for the same weeks are deducted from our payments. Pension contributions of
the company continue as if you were working.

Birth parents start their leave at least two weeks before the due date. The other parent takes the six weeks
within twelve months of the birth, in one piece or in up to three pieces of whole weeks. If both parents
work here, each has a full entitlement of their own.

## Telling us

1. Birth parents tell their manager and People at least 12 weeks before the due date, with a certificate
   that names it.
2. Other parents tell us at least six weeks before the first day of leave.
3. Adoptive and foster parents tell us within two weeks of being matched with a child.
4. People confirms your dates and your pay in writing within ten working days.

You may move the dates once with four weeks' warning. If a child arrives early, no warning is needed.

## Before the birth

Antenatal appointments are paid in full, including the way there. The other parent may go along to four of
them.

Within five working days of learning of a pregnancy, the safety officer assesses the risks at your
workplace. Pregnant and breastfeeding colleagues do not work with mercury, with methanol-based titration
reagents or in the laser area, and are not alone in a laboratory. If no suitable work is left, you stay at
home on full pay.

## When things go differently

- If a pregnancy ends before the 24th week, both parents may take two weeks of paid leave. No certificate is
  asked for.
- After a stillbirth from the 24th week on, or if a child dies, the full entitlement remains.
- For each week that a newborn spends in hospital, leave on full pay is extended by one week, up to 12
  weeks.
- With twins or more, the birth parent has four additional weeks on full pay.

## While you are away

You may work up to ten keeping-in-touch days without ending your leave. Each is agreed beforehand, is paid
as a full day however short it is, and is never required. You are told of reorganisations and of vacancies
in your department, and annual leave goes on being earned.

## More time without pay

Each parent may add up to 16 weeks of unpaid leave until the child's second birthday, in pieces of at least
one week. Ask eight weeks ahead. The company may postpone it once, by up to three months, if somebody else
in the same team is away on parental leave.

## Coming back

You return to the same job. If it no longer exists, you return to one of the same grade, pay and place. For
the first four weeks after at least 16 weeks away, you may work 80 % of your hours on full pay.

Requests for part-time work after parental leave are answered within four weeks. A refusal is given in
writing, by the head of department, with its reasons.
"""

EQUIPMENT = """
# Equipment Policy

Owner: Farid Benali, for IT, and Noreen Dunphy, for furniture and tools. In force from 1 January 2026.

## What you receive

Equipment is issued by role. Everything remains the property of the company and carries an inventory number;
please do not remove the label.

| Role | Computer | Phone | Further equipment |
| Office and engineering | 14-inch laptop | on request of the manager | two screens on site |
| Design and optics | workstation laptop with 64 GB of memory | no | one 32-inch screen on site |
| Field service | rugged laptop | yes | tool case, data logger |
| Assembly and goods inwards | shared terminal | no | personal torque screwdriver |

Remote workers receive one screen, a keyboard, a mouse and a headset for home in addition. The delivery is
free and takes about five working days.

## Ordering more

Orders are placed in the service desk. Who approves them depends on the price without tax:

- up to €300: your manager
- from €300 to €2,000: the head of your department
- above €2,000: the Finance Director, within the quarterly budget

Ergonomic aids that the occupational health nurse recommends need no approval. Nobody buys equipment
privately and claims it as an expense; such claims are returned.

## Software

Install software from the catalogue only. A programme that is missing there can be requested; the service
desk answers within ten working days. Licences are personal, and those unused for 90 days are withdrawn
without asking.

## Replacement

Laptops are replaced after four years, phones after three and screens when they break. The replacement is
offered to you; you need not ask. Earlier replacement is possible if a repair would cost more than 40 % of
the price of a new device.

If your laptop fails, the service desk lends you a spare one within one working day. Data is copied from the
backup, so keep your files in the shared folders.

## Loss, theft and damage

1. Report a lost or stolen device to the security hotline. The deadline stands in the information security
   policy.
2. If it was stolen, report it to the police and send the service desk the reference number within three
   working days.
3. For damage, open a ticket and describe what happened.

You do not pay for accidents. If a device is damaged through gross negligence, or for the third time in two
years, you may be asked to pay up to €250. The decision lies with the Head of People, not with your manager.

## Private use

Laptops and phones may be used privately within reason and within the law. Family members do not use them.
Private calls and data on a company phone are free in the European Union and the United Kingdom; elsewhere
you pay what exceeds €10 a month.

## Instruments

Balances, titrators and readers may be lent to employees for training or fairs, and to customers for trials.
A loan lasts 30 days at most and is entered in the loan book with the serial number. It may be extended
once, by the product manager, for another 30 days.

An instrument that was lent goes through Calibration before anyone relies on a measurement made with it,
even if its calibration label is still valid. Reference weights of class E1 and E2 never leave the
laboratory in Göttingen.

Torque screwdrivers are checked every six months. One that was dropped is handed in the same day.

## Old devices

Laptops that have been replaced are wiped and offered to employees for €80 each, twice a year, in April and
October. If more people want one than there are laptops, lots are drawn. They are sold without warranty.
Phones and disks are never sold but destroyed by a certified firm.

## When you leave

Return everything within five working days of your last day, to the service desk of your site or in the
prepaid box that it sends you. The value of missing equipment may be set off against the final salary as far
as the law allows. Telephone numbers can be taken along if you ask before the last day.
"""

FILES = {
    "work/travel-and-expenses.pdf": TRAVEL,
    "security/information-security.pdf": SECURITY,
    "people/parental-leave.docx": PARENTAL,
    "work/equipment.docx": EQUIPMENT,
}

Kind = Literal["title", "heading", "bullet", "number", "paragraph", "table"]
BLOCK_BREAK = re.compile(r"\n\n|\n(?=- |\d+\. )")
MARKS: dict[str, Kind] = {"# ": "title", "## ": "heading", "- ": "bullet", "| ": "table"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One block of a text. `rows` is filled for a table, `text` for everything else."""

    kind: Kind
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()


def read_piece(block: str) -> Piece:
    """Read one block of the markup."""
    mark, _, rest = block.partition(" ")
    kind = MARKS.get(f"{mark} ")
    if kind == "table":
        rows = (row.strip("| ").split(" | ") for row in block.splitlines())
        return Piece(kind="table", rows=tuple(tuple(row) for row in rows))
    if kind is not None:
        return Piece(kind=kind, text=" ".join(rest.split()))
    if mark.rstrip(".").isdecimal() and mark.endswith("."):
        return Piece(kind="number", text=" ".join(rest.split()))
    return Piece(kind="paragraph", text=" ".join(block.split()))


def pdf_bytes(pieces: list[Piece]) -> bytes:
    """Set the pieces on A4 pages with a running foot, page numbers and an outline."""
    buffer = BytesIO()
    title = pieces[0].text
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        invariant=True,
        title=title,
        author=COMPANY,
        lang="en",
        leftMargin=25 * mm,
        rightMargin=25 * mm,
        topMargin=22 * mm,
        bottomMargin=24 * mm,
    )

    def add_foot(canvas: Any, _: Any) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(27 * mm, 14 * mm, f"{COMPANY} · {title}")
        canvas.drawRightString(A4[0] - 27 * mm, 14 * mm, f"Page {canvas.getPageNumber()}")

    def add_to_outline(drawn: Any) -> None:
        if isinstance(drawn, Paragraph) and drawn.style.name == "Heading2":
            text = drawn.getPlainText()
            document.canv.bookmarkPage(text)
            document.canv.addOutlineEntry(text, text)

    document.afterFlowable = add_to_outline
    document.build(pdf_flowables(pieces), onFirstPage=add_foot, onLaterPages=add_foot)
    return buffer.getvalue()


def pdf_flowables(pieces: list[Piece]) -> list[Flowable]:
    styles = getSampleStyleSheet()
    styles["BodyText"].fontSize, styles["BodyText"].leading = 11, 15.5
    styles["Heading2"].keepWithNext = 1
    style_names = {"title": "Title", "heading": "Heading2"}
    flowables: list[Flowable] = []
    number = 0
    for piece in pieces:
        number = number + 1 if piece.kind == "number" else 0
        if piece.kind == "table":
            flowables += [Spacer(1, 2 * mm), pdf_table(piece, styles), Spacer(1, 3 * mm)]
            continue
        style = styles[style_names.get(piece.kind, "BodyText")]
        label = {"bullet": "•", "number": f"{number}."}.get(piece.kind)
        indented = style.clone("Item", leftIndent=6 * mm) if label else style
        flowables.append(Paragraph(escape(piece.text), indented, bulletText=label))
    return flowables


def pdf_table(piece: Piece, styles: StyleSheet1) -> Table:
    """A ruled table over the width of the text; the narrow first column suits both policies."""
    head, *body = [[escape(cell) for cell in row] for row in piece.rows]
    texts = [[f"<b>{cell}</b>" for cell in head], *body]
    cells = [[Paragraph(cell, styles["BodyText"]) for cell in row] for row in texts]
    table = Table(cells, colWidths=[28 * mm, 70 * mm, 57 * mm], repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
                ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                ("NOSPLIT", (0, 0), (-1, -1)),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table


def docx_bytes(pieces: list[Piece]) -> bytes:
    """Write the pieces with Word's own styles for title, headings, lists and tables."""
    document = Document()
    document.core_properties.title = pieces[0].text
    document.core_properties.author = COMPANY
    document.core_properties.created = document.core_properties.modified = WRITTEN
    styles = {"title": "Title", "heading": "Heading 1", "bullet": "List Bullet", "number": "List Number"}
    for piece in pieces:
        if piece.kind == "table":
            add_docx_table(document, piece)
        else:
            document.add_paragraph(piece.text, style=styles.get(piece.kind, "Normal"))
    buffer = BytesIO()
    document.save(buffer)
    return with_fixed_times(buffer)


def add_docx_table(document: Any, piece: Piece) -> None:
    table = document.add_table(rows=0, cols=len(piece.rows[0]), style="Table Grid")
    for row in piece.rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    for cell in table.rows[0].cells:
        cell.paragraphs[0].runs[0].bold = True
    document.add_paragraph()


def with_fixed_times(written: BytesIO) -> bytes:
    """Pack a ZIP file anew with one time for all members, since python-docx stamps them with the clock's."""
    buffer = BytesIO()
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def write_handbook(folder: Path) -> list[Path]:
    """Write the four files below `folder` and return their paths."""
    written: list[Path] = []
    for name, text in FILES.items():
        path = folder / name
        pieces = [read_piece(block) for block in BLOCK_BREAK.split(text.strip())]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pdf_bytes(pieces) if path.suffix == ".pdf" else docx_bytes(pieces))
        written.append(path)
    return written


def main() -> None:
    """Read the command line and write the files."""
    parser = argparse.ArgumentParser(description="Write the handbook's PDF and DOCX files.")
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(__file__).with_name("handbook"),
        help="where to write (default: examples/handbook)",
    )
    folder = parser.parse_args().folder
    try:
        written = write_handbook(folder)
    except OSError as error:
        sys.exit(
            f"cannot write the handbook below '{folder}': {error}. Name a folder that may be written to."
        )
    sys.stdout.writelines(f"{path}\n" for path in written)


if __name__ == "__main__":
    main()
