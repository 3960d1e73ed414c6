// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/help/glossary_tip.h"

#include "base/glossary.h"
#include "views/text.h"

#include <QAbstractItemView>
#include <QApplication>
#include <QHeaderView>
#include <QHelpEvent>
#include <QLabel>
#include <QTabBar>
#include <QTextBrowser>
#include <QTextDocument>
#include <QToolTip>

namespace mirrorscope::views {

namespace {
constexpr std::size_t kTerms = 4;

QString line(const Term& term) {
    return QString("<p><b>%1</b>: %2</p>").arg(text(term.name).toHtmlEscaped(), text(term.meaning).toHtmlEscaped());
}

QString plain(const QString& maybeRich) {
    if (!Qt::mightBeRichText(maybeRich))
        return maybeRich;
    QTextDocument document;
    document.setHtml(maybeRich);
    return document.toPlainText();
}
} // namespace

GlossaryTip::GlossaryTip(QWidget* window) : QObject(window), window_(window) { QApplication::instance()->installEventFilter(this); }

QString GlossaryTip::explain(const QString& words) {
    QString said;
    std::size_t n = 0;
    for (const Term* term : termsIn(words.toStdString()))
        if (++n <= kTerms)
            said += line(*term);
    return said;
}

QString GlossaryTip::textAt(QWidget& widget, const QPoint& at) {
    if (auto* browser = qobject_cast<QTextBrowser*>(widget.parentWidget()); browser != nullptr && browser->viewport() == &widget) {
        // The word below the cursor, with its neighbours: "secure EPT".
        QTextCursor cursor = browser->cursorForPosition(at);
        cursor.select(QTextCursor::WordUnderCursor);
        const QString word = cursor.selectedText();
        if (word.isEmpty())
            return {};
        QTextCursor wide = cursor;
        wide.setPosition(cursor.selectionStart());
        wide.movePosition(QTextCursor::PreviousWord);
        wide.setPosition(cursor.selectionEnd(), QTextCursor::KeepAnchor);
        wide.movePosition(QTextCursor::NextWord, QTextCursor::KeepAnchor);
        wide.movePosition(QTextCursor::EndOfWord, QTextCursor::KeepAnchor);
        for (const Term* term : termsIn(wide.selectedText().toStdString()))
            if (text(term->name).contains(word, Qt::CaseInsensitive) || text(term->also).contains(word, Qt::CaseInsensitive))
                return line(*term);
        return explain(word);
    }
    if (auto* view = qobject_cast<QAbstractItemView*>(widget.parentWidget()); view != nullptr && view->viewport() == &widget) {
        if (const auto* header = qobject_cast<const QHeaderView*>(view)) {
            const int section = header->logicalIndexAt(at);
            return header->model() == nullptr ? QString() : explain(header->model()->headerData(section, header->orientation()).toString());
        }
        const QModelIndex index = view->indexAt(at);
        if (!index.isValid())
            return {};
        const QString own = index.data(Qt::ToolTipRole).toString();
        const QString terms = explain(index.data(Qt::DisplayRole).toString());
        return terms.isEmpty() ? QString() : (own.isEmpty() ? QString() : "<p>" + own.toHtmlEscaped() + "</p>") + terms;
    }
    if (const auto* tabs = qobject_cast<const QTabBar*>(&widget))
        return explain(tabs->tabText(tabs->tabAt(at)));
    if (const auto* label = qobject_cast<const QLabel*>(&widget); label != nullptr && label->toolTip().isEmpty())
        return explain(plain(label->text()));
    return {};
}

bool GlossaryTip::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() != QEvent::ToolTip || !watched->isWidgetType())
        return QObject::eventFilter(watched, event);
    auto* widget = static_cast<QWidget*>(watched);
    if (widget->window() != window_ && widget->window()->parentWidget() != window_)
        return QObject::eventFilter(watched, event);
    const auto* help = static_cast<QHelpEvent*>(event);
    const QString said = textAt(*widget, help->pos());
    if (said.isEmpty())
        return QObject::eventFilter(watched, event);
    QToolTip::showText(help->globalPos(), "<qt>" + said + "</qt>", widget);
    return true;
}

} // namespace mirrorscope::views
