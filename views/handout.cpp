// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/handout.h"

#include "export/export.h"
#include "views/picture.h"
#include "views/text.h"

#include <QAbstractTextDocumentLayout>
#include <QImage>
#include <QPdfWriter>
#include <QSaveFile>
#include <QTextBlock>
#include <QTextCursor>
#include <QTextDocument>
#include <QTextList>
#include <QTextTable>

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <stdexcept>

namespace mirrorscope::views {

namespace {
class Paper {
public:
    // `page` is what lies between the margins, in the units of `on`.
    Paper(QSizeF page, QPaintDevice& on) : page_(page) {
        document_.documentLayout()->setPaintDevice(&on);
        document_.setPageSize(page);
        document_.setDocumentMargin(0);
        document_.setDefaultFont(QFont("DejaVu Sans", 10));
        cursor_ = QTextCursor(&document_);
    }

    void heading(const QString& text, int level) {
        block(level == 1 ? 0 : 10, 4);
        QTextCharFormat format;
        format.setFontWeight(QFont::Bold);
        format.setFontPointSize(level == 1 ? 16 : 12);
        cursor_.insertText(text, format);
        heading_ = cursor_.block().blockNumber();
    }
    void paragraph(const QString& text, bool dim = false) {
        block(0, 6);
        QTextCharFormat format;
        if (dim)
            format.setForeground(QColor("#57606a"));
        cursor_.insertText(text, format);
    }
    // As much of Markdown as stories use; links are left as their text, a row of a table is a line.
    void prose(const std::string& markdown) {
        QTextDocument part;
        part.setDefaultFont(document_.defaultFont());
        part.setMarkdown(QString::fromStdString(markdown));
        const QTextTable* table = nullptr;
        int row = -1;
        for (QTextBlock at = part.begin(); at.isValid(); at = at.next()) {
            if (at.text().isEmpty())
                continue;
            const QTextTable* in = QTextCursor(at).currentTable();
            const int its = in == nullptr ? -1 : in->cellAt(at.position()).row();
            if (in != nullptr && in == table && its == row) {
                cursor_.insertText(" — ", QTextCharFormat());
            } else {
                block(0, 6);
                if (in != nullptr)
                    cursor_.insertText("    ", QTextCharFormat());
            }
            table = in;
            row = its;
            if (at.textList() != nullptr) {
                const bool numbered = at.textList()->format().style() == QTextListFormat::ListDecimal;
                cursor_.insertText(numbered ? at.textList()->itemText(at) + "  " : "•  ", QTextCharFormat());
            }
            for (auto piece = at.begin(); !piece.atEnd(); ++piece) {
                QTextCharFormat format = piece.fragment().charFormat();
                format.setAnchor(false);
                format.clearForeground();
                format.setFontUnderline(false);
                cursor_.insertText(piece.fragment().text(), format);
            }
        }
    }
    void picture(const std::string& svg) {
        // Without the picture's own heading: that stands above.
        constexpr int kHeading = 2 * 50;
        const QImage whole = imageOf(svg);
        if (whole.height() <= kHeading)
            return;
        const QImage image = whole.copy(0, kHeading, whole.width(), whole.height() - kHeading);
        const QString name = QString("picture:%1").arg(++pictures_);
        document_.addResource(QTextDocument::ImageResource, QUrl(name), image);
        block(2, 8);
        QTextImageFormat format;
        format.setName(name);
        // A document's pictures are measured in dots of a screen.
        constexpr double kScreen = 96;
        const double dots = kScreen / document_.documentLayout()->paintDevice()->logicalDpiX();
        const double scale = dots * std::min(page_.width() / image.width(), page_.height() * 0.8 / image.height());
        format.setWidth(image.width() * scale);
        format.setHeight(image.height() * scale);
        cursor_.insertImage(format);
        together_.emplace_back(heading_, cursor_.block().blockNumber());
    }
    // A heading goes to the next page with its picture.
    void keepTogether() {
        const auto pageOf = [&](int number, bool end) {
            const QRectF rect = document_.documentLayout()->blockBoundingRect(document_.findBlockByNumber(number));
            return static_cast<int>((end ? rect.bottom() - 1 : rect.top()) / page_.height());
        };
        for (const auto& [heading, picture] : together_)
            if (pageOf(heading, false) != pageOf(picture, true)) {
                QTextCursor at(document_.findBlockByNumber(heading));
                QTextBlockFormat format = at.blockFormat();
                format.setPageBreakPolicy(QTextFormat::PageBreak_AlwaysBefore);
                at.setBlockFormat(format);
            }
    }
    void newPage() {
        block(0, 0);
        QTextBlockFormat format;
        format.setPageBreakPolicy(QTextFormat::PageBreak_AlwaysBefore);
        cursor_.setBlockFormat(format);
        fresh_ = true;
    }
    QTextDocument& document() { return document_; }

private:
    void block(double above, double below) {
        QTextBlockFormat format;
        format.setTopMargin(above);
        format.setBottomMargin(below);
        if (fresh_) {
            format.setPageBreakPolicy(cursor_.blockFormat().pageBreakPolicy());
            cursor_.setBlockFormat(format);
        } else {
            cursor_.insertBlock(format, QTextCharFormat());
        }
        fresh_ = false;
    }

    QSizeF page_;
    QTextDocument document_;
    QTextCursor cursor_;
    int pictures_ = 0, heading_ = 0;
    std::vector<std::pair<int, int>> together_; // the blocks of a heading and of its picture
    bool fresh_ = true;                         // nothing is in the block yet
};

// One picture: what was said before it, and what can be seen in it.
struct Moment {
    u64 at = 0;
    std::string told;
    bool paused = false;
};

// A note tells what will be done, so it stands above the picture of what was: that of the next note, question or pause, or of the end. Only
// a note at a pause tells what is to be seen there.
std::vector<Moment> momentsOf(const Session& session, u64 from, u64 to) {
    constexpr std::size_t kMost = 40;
    const auto pauses = session.pauses();
    const auto isPause = [&](u64 n) { return std::find(pauses.begin(), pauses.end(), n) != pauses.end(); };
    const auto begins = [&](u64 n) { return !session.noteAt(n).empty() && session.noteSince(n) == n; };
    std::set<u64> ends{to};
    for (u64 n = from + 1; n < to; ++n)
        if (begins(n) || isPause(n))
            ends.insert(n);
    for (const Question& question : session.questions())
        if (question.asked > from && question.asked < to)
            ends.insert(question.asked);
    std::vector<Moment> moments;
    u64 before = from;
    for (const u64 at : ends) {
        Moment moment{at, "", isPause(at)};
        if (begins(before) && !(isPause(before) && before != from))
            moment.told = session.noteAt(before);
        if (moment.paused && begins(at))
            moment.told += (moment.told.empty() ? "" : "\n\n") + session.noteAt(at);
        moments.push_back(std::move(moment));
        before = at;
    }
    if (moments.size() > kMost)
        moments.erase(moments.begin() + kMost - 1, moments.end() - 1);
    return moments;
}

QString verdictOf(const Session& session) {
    const Session::Verdict verdict = session.verdict();
    QString told = QString("%1 micro-steps; %2 of %3 expectations hold; %4 violations.")
                       .arg(session.end())
                       .arg(verdict.expectations - verdict.failed)
                       .arg(verdict.expectations)
                       .arg(session.violations().size());
    for (const Violation& v : session.violations())
        told += QString("\n%1, at micro-step %2: %3").arg(text(info(v.rule).name)).arg(v.n).arg(QString::fromStdString(v.text));
    return told;
}
} // namespace

void writePainted(Session& session, std::string_view kind, std::pair<u64, u64> range, const std::string& file) {
    if (kind == "pdf")
        writeHandout(session, range.first, range.second, file);
    else
        svgToPng(treesSvg(session), file);
}

void writeHandout(Session& session, u64 from, u64 to, const std::string& file) {
    const OwnApplication application;
    const u64 here = session.position();
    const Scenario& scenario = session.scenario();
    QSaveFile out(QString::fromStdString(file));
    if (!out.open(QIODevice::WriteOnly))
        throw std::runtime_error(file + ": cannot be written");
    {
        QPdfWriter pdf(&out);
        pdf.setPageSize(QPageSize(QPageSize::A4));
        pdf.setPageMargins(QMarginsF(18, 18, 18, 18), QPageLayout::Millimeter);
        pdf.setTitle(QString::fromStdString(scenario.title));
        pdf.setCreator("Mirrorscope");
        pdf.setResolution(72);
        Paper paper(pdf.pageLayout().paintRectPixels(pdf.resolution()).size(), pdf);
        paper.heading(QString::fromStdString(scenario.title.empty() ? scenario.file : scenario.title), 1);
        if (!scenario.reference.empty())
            paper.paragraph(QString::fromStdString(scenario.reference), true);
        paper.prose(scenario.about);
        const std::vector<Question>& questions = session.questions();
        int number = 0;
        for (const Question& question : questions) {
            paper.heading(QString("Before it runs: question %1, at position %2").arg(++number).arg(question.asked), 2);
            paper.prose(question.step->text);
            for (const AskChoice& choice : question.step->choices)
                paper.prose("☐  " + choice.text);
        }
        for (const Moment& moment : momentsOf(session, from, to)) {
            session.seek(moment.at);
            QString heading = QString(moment.at == to ? "Position %1, the last one" : "Position %1").arg(moment.at);
            for (std::size_t i = 0; i < questions.size(); ++i)
                if (questions[i].asked == moment.at)
                    heading += QString(": question %1").arg(i + 1);
            paper.heading(heading, 2);
            if (!moment.told.empty())
                paper.prose(moment.told);
            paper.paragraph(QString::fromStdString(session.sentence(moment.at)), true);
            paper.picture(treesSvg(session));
        }
        paper.paragraph(verdictOf(session));
        if (!questions.empty()) {
            paper.newPage();
            paper.heading("Answers", 2);
            number = 0;
            for (const Question& question : questions)
                paper.prose(fmt::format("{}\\. {}", ++number, answerText(*question.step, question.holds)));
        }
        paper.keepTogether();
        paper.document().print(&pdf);
    }
    session.seek(here);
    if (!out.commit())
        throw std::runtime_error(file + ": cannot be written");
}

} // namespace mirrorscope::views
