// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/debug/console_view.h"

#include "views/debug/debugger.h"

#include <QCompleter>
#include <QKeyEvent>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QStringListModel>

namespace mirrorscope::views {

namespace {
constexpr int kLines = 5000;
} // namespace

ConsoleView::ConsoleView(Context& context, Debugger& debugger, QWidget* parent)
    : QWidget(parent), context_(context), debugger_(debugger), output_(new QPlainTextEdit(this)), line_(new QLineEdit(this)),
      words_(new QStringListModel(this)) {
    setObjectName("console");
    output_->setObjectName("console-output");
    output_->setAccessibleName(tr("What the console said"));
    output_->setReadOnly(true);
    output_->setFrameShape(QFrame::NoFrame);
    output_->setMaximumBlockCount(kLines);
    output_->setTabChangesFocus(true);
    output_->setPlaceholderText(
        tr("b spte.freeze stops there, c runs to it, rc runs back; watch mirror 0x4000; info locks; help lists all"));
    line_->setObjectName("console-line");
    line_->setAccessibleName(tr("A word of the debugger"));
    line_->setPlaceholderText(tr("b spte.freeze   c   rc   watch mirror 0x4000   p *entry   info locks   help"));
    line_->installEventFilter(this);
    completer_ = new QCompleter(words_, this);
    completer_->setWidget(line_);
    completer_->setCompletionMode(QCompleter::PopupCompletion);
    connect(completer_, qOverload<const QString&>(&QCompleter::activated), this, [this](const QString& word) {
        QString text = line_->text();
        text.truncate(text.lastIndexOf(' ') + 1);
        line_->setText(text + word + (word.endsWith(':') ? "" : " "));
    });
    keepFont(*line_, {.mono = true});
    keepFont(*output_, {.mono = true});
    auto* save = new QPushButton(tr("Save as script…"), this);
    save->setObjectName("console-save");
    save->setMinimumWidth(30);
    save->setToolTip(tr("the lines so far, for `mirrorscope run FILE --commands SCRIPT`"));
    auto* row = new QHBoxLayout;
    row->addWidget(line_, 1);
    row->addWidget(save);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(6, 4, 6, 4);
    layout->addWidget(output_, 1);
    layout->addLayout(row);
    setFocusProxy(line_);
    connect(line_, &QLineEdit::returnPressed, this, &ConsoleView::take);
    connect(line_, &QLineEdit::textEdited, this, &ConsoleView::offer);
    connect(save, &QPushButton::clicked, this, [this] { Q_EMIT saveWanted(debugger_.script()); });
    connect(&debugger_, &Debugger::cleared, output_, &QPlainTextEdit::clear);
    connect(&debugger_, &Debugger::said, this, [this](const QString& line, const QString& output, bool) {
        output_->appendPlainText("> " + line);
        if (!output.isEmpty())
            output_->appendPlainText(output.endsWith('\n') ? output.chopped(1) : output);
    });
}

void ConsoleView::take() {
    const QString line = line_->text().trimmed();
    if (line.isEmpty() && typed_.isEmpty())
        return;
    // As in gdb, an empty line is the last one once more.
    const QString text = line.isEmpty() ? typed_.last() : line;
    if (typed_.isEmpty() || typed_.last() != text)
        typed_ << text;
    at_ = typed_.size();
    line_->clear();
    completer_->popup()->hide();
    debugger_.run(text);
}

void ConsoleView::offer() {
    const QString text = line_->text();
    words_->setStringList(debugger_.complete(text));
    completer_->setCompletionPrefix(text.mid(text.lastIndexOf(' ') + 1));
    if (completer_->completionPrefix().isEmpty() || completer_->completionCount() == 0)
        completer_->popup()->hide();
    else
        completer_->complete();
}

void ConsoleView::walk(int by) {
    at_ = std::clamp<qsizetype>(at_ + by, 0, typed_.size());
    line_->setText(at_ < typed_.size() ? typed_[at_] : QString());
}

bool ConsoleView::eventFilter(QObject* watched, QEvent* event) {
    if (watched == line_ && event->type() == QEvent::KeyPress) {
        const auto* key = static_cast<QKeyEvent*>(event);
        if (key->key() == Qt::Key_Up || key->key() == Qt::Key_Down) {
            walk(key->key() == Qt::Key_Up ? -1 : 1);
            return true;
        }
    }
    return QWidget::eventFilter(watched, event);
}

QString ConsoleView::asText() const { return output_->toPlainText(); }

} // namespace mirrorscope::views
