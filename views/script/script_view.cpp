// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/script/script_view.h"

#include "scenario/complete.h"
#include "views/script/scenario_lexer.h"
#include "views/script/scintilla.h"
#include "views/script/search_bar.h"

#include <QAction>
#include <QGuiApplication>
#include <QKeyEvent>
#include <QToolTip>
#include <QVBoxLayout>

#include <algorithm>
#include <map>

namespace mirrorscope::views {

namespace {
constexpr int kNumbers = 0, kSymbols = 1;
constexpr int kCurrentArrow = 1, kBreak = 2, kCurrentLine = 3, kErrorLine = 4, kIdleBreak = 5, kFailedLine = 6;
constexpr int kSquiggle = 8, kMessageStyle = 200;
constexpr int kCheckAfter = 300, kDwell = 450; // milliseconds
} // namespace

ScriptView::ScriptView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), editor_(new QsciScintilla(this)), lexer_(new ScenarioLexer(this)), search_(new SearchBar(this)) {
    setObjectName("script");
    editor_->setObjectName("editor");
    editor_->setAccessibleName("Scenario");
    editor_->setUtf8(true);
    editor_->setUtf8(true);
    editor_->setEolMode(QsciScintilla::EolUnix);
    editor_->setTabWidth(2);
    editor_->setIndentationsUseTabs(false);
    editor_->setAutoIndent(true);
    editor_->indicatorDefine(QsciScintilla::SquiggleIndicator, kSquiggle);
    editor_->SendScintilla(QsciScintilla::SCI_AUTOCSETORDER, QsciScintilla::SC_ORDER_PERFORMSORT);
    editor_->SendScintilla(QsciScintilla::SCI_AUTOCSETIGNORECASE, 1);
    editor_->SendScintilla(QsciScintilla::SCI_AUTOCSETMAXHEIGHT, 12);
    editor_->SendScintilla(QsciScintilla::SCI_SETMOUSEDWELLTIME, kDwell);
    editor_->setCaretLineVisible(false);
    editor_->setFrameShape(QFrame::NoFrame);
    editor_->setLexer(lexer_);
    editor_->setFolding(QsciScintilla::NoFoldStyle);
    editor_->setMarginType(kNumbers, QsciScintilla::NumberMargin);
    editor_->setMarginType(kSymbols, QsciScintilla::SymbolMargin);
    editor_->setMarginWidth(kSymbols, 18);
    editor_->setMarginMarkerMask(kSymbols, 1 << kCurrentArrow | 1 << kBreak | 1 << kIdleBreak);
    editor_->setMarginSensitivity(kSymbols, true);
    editor_->setMarginSensitivity(kNumbers, true);
    editor_->markerDefine(QsciScintilla::RightTriangle, kCurrentArrow);
    editor_->markerDefine(QsciScintilla::Circle, kBreak);
    editor_->markerDefine(QsciScintilla::Circle, kIdleBreak);
    editor_->markerDefine(QsciScintilla::Background, kCurrentLine);
    editor_->markerDefine(QsciScintilla::Background, kErrorLine);
    editor_->markerDefine(QsciScintilla::Background, kFailedLine);
    editor_->SendScintilla(QsciScintilla::SCI_SETSCROLLWIDTHTRACKING, 1);
    editor_->SendScintilla(QsciScintilla::SCI_SETSCROLLWIDTH, 1);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(editor_, 1);
    layout->addWidget(search_);
    search_->hide();
    connect(search_, &SearchBar::findWanted, this, &ScriptView::findNext);
    // A longer word is looked for from where the shorter one was found.
    connect(search_, &SearchBar::typed, this, [this] {
        toSelectionStart();
        findNext(false);
    });
    connect(search_, &SearchBar::replaceWanted, this, [this](bool all) {
        if (!all) {
            if (editor_->hasSelectedText() && editor_->selectedText().compare(search_->text(), Qt::CaseInsensitive) == 0) {
                toSelectionStart();
                findNext(false); // the editor replaces what it has found itself
                editor_->replace(search_->replacement());
            }
            findNext(false);
            return;
        }
        int replaced = 0;
        editor_->beginUndoAction();
        for (bool found = editor_->findFirst(search_->text(), false, false, false, false, true, 0, 0); found;
             found = editor_->findNext(), ++replaced)
            editor_->replace(search_->replacement());
        editor_->endUndoAction();
        search_->tell(replaced == 1 ? tr("1 replaced") : tr("%1 replaced").arg(replaced));
    });
    connect(search_, &SearchBar::closed, editor_, qOverload<>(&QWidget::setFocus));
    setFocusProxy(editor_);
    editor_->installEventFilter(this);
    connect(editor_, &QsciScintilla::marginClicked, this,
            [this](int, int line, Qt::KeyboardModifiers) { Q_EMIT breakWanted(static_cast<unsigned>(line) + 1); });
    later_.setSingleShot(true);
    later_.setInterval(kCheckAfter);
    connect(&later_, &QTimer::timeout, this, [this] {
        showMarks();
        check_.check(fileName_, text());
    });
    connect(&check_, &CheckJob::checked, this, [this](const QString& message, unsigned line, unsigned column) {
        if (!message.isEmpty()) {
            showProblem(message, line, column);
        } else if (!problem_.isEmpty()) {
            clearProblem();
            showMarks(); // what failed in the run is said again
        }
        Q_EMIT checked();
    });
    connect(editor_, &QsciScintilla::linesChanged, this, &ScriptView::widenNumbers);
    connect(editor_, &QsciScintilla::textChanged, this, [this] {
        lines_.reset();
        if (loading_)
            return;
        later_.start();
        Q_EMIT edited();
    });
    connect(editor_, &QsciScintilla::modificationChanged, this, &ScriptView::modifiedChanged);
    connect(editor_, &QsciScintillaBase::SCN_CHARADDED, this, [this](int c) {
        // Once a word has begun, what could become of it is offered.
        if (c > ' ' && c != ':' && c != ',' && c != '}' && c != ']' && wordAt(text().toStdString(), cursorOffset()).size() >= 2)
            complete();
    });
    connect(editor_, &QsciScintillaBase::SCN_DWELLSTART, this, [this](int position, int x, int y) {
        if (position < 0)
            return;
        const std::string all = text().toStdString();
        const std::string word(wordAt(all, static_cast<std::size_t>(position)));
        const std::string help = helpOn(word);
        if (!help.empty())
            QToolTip::showText(editor_->mapToGlobal(QPoint(x, y)), QString::fromStdString(word + ": " + help));
    });
    auto* fits = new QAction(tr("What fits here"), this);
    fits->setShortcut(QKeySequence("Ctrl+Space"));
    fits->setShortcutContext(Qt::WidgetWithChildrenShortcut);
    connect(fits, &QAction::triggered, this, &ScriptView::complete);
    addAction(fits);
    connect(editor_, &QsciScintillaBase::SCN_DWELLEND, this, [](int, int, int) { QToolTip::hideText(); });
    connect(&context_, &Context::sessionChanged, this, &ScriptView::load);
    connect(&context_, &Context::positionChanged, this, &ScriptView::showPosition);
    connect(&context_, &Context::breakpointsChanged, this, &ScriptView::showBreakpoints);
    connect(&context_, &Context::themeChanged, this, &ScriptView::restyle);
    restyle();
}

unsigned ScriptView::cursorLine() const {
    int line = 0, column = 0;
    editor_->getCursorPosition(&line, &column);
    return static_cast<unsigned>(line) + 1;
}

void ScriptView::restyle() {
    const Theme& theme = context_.theme();
    const QFont mono = monospace(font());
    lexer_->restyle(theme, mono);
    editor_->setPaper(theme.base);
    editor_->setColor(theme.text);
    editor_->setMarginsFont(mono);
    editor_->setMarginsBackgroundColor(theme.window);
    editor_->setMarginsForegroundColor(theme.dim);
    editor_->setCaretForegroundColor(theme.text);
    editor_->setSelectionBackgroundColor(theme.selection);
    editor_->setSelectionForegroundColor(theme.text);
    editor_->setMarkerBackgroundColor(theme.accent, kCurrentArrow);
    editor_->setMarkerForegroundColor(theme.accent, kCurrentArrow);
    editor_->setMarkerBackgroundColor(theme.violation, kBreak);
    editor_->setMarkerForegroundColor(theme.violation, kBreak);
    editor_->setMarkerBackgroundColor(theme.base, kIdleBreak);
    editor_->setMarkerForegroundColor(theme.dim, kIdleBreak);
    editor_->setMarkerBackgroundColor(theme.selection, kCurrentLine);
    const QColor errorPaper(theme.dark ? "#5c2327" : "#fbd9dc");
    editor_->setMarkerBackgroundColor(errorPaper, kErrorLine);
    editor_->setMarkerBackgroundColor(errorPaper, kFailedLine);
    editor_->setIndicatorForegroundColor(theme.violation, kSquiggle);
    const QByteArray family = mono.family().toUtf8();
    editor_->SendScintilla(QsciScintilla::SCI_STYLESETFORE, static_cast<unsigned long>(kMessageStyle), theme.text);
    editor_->SendScintilla(QsciScintilla::SCI_STYLESETBACK, static_cast<unsigned long>(kMessageStyle), errorPaper);
    editor_->SendScintilla(QsciScintilla::SCI_STYLESETFONT, static_cast<unsigned long>(kMessageStyle), family.constData());
    editor_->SendScintilla(QsciScintilla::SCI_STYLESETSIZE, static_cast<unsigned long>(kMessageStyle), static_cast<long>(mono.pointSize()));
    widenNumbers();
}

void ScriptView::load() {
    editor_->markerDeleteAll();
    editor_->clearAnnotations();
    clearProblem();
    lines_.reset();
    current_ = 0;
    showFailures();
    showPosition();
    showBreakpoints();
}

void ScriptView::widenNumbers() { editor_->setMarginWidth(kNumbers, QString::number(editor_->lines() * 10)); }

const LineMap& ScriptView::lines() const {
    if (!lines_) {
        const Session* session = context_.session();
        // (A recording has no script, and what stands here is not what is shown.)
        lines_ = session == nullptr || session->scenario().source.empty() ? LineMap()
                                                                          : LineMap(session->scenario().source, text().toStdString());
    }
    return *lines_;
}

// What was expected and is not so, at its line.
void ScriptView::showFailures() {
    constexpr std::size_t kMost = 100;
    const auto& failures = context_.session()->failures();
    std::map<int, QString> said;
    for (std::size_t i = 0; i < std::min(kMost, failures.size()); ++i)
        if (const auto line = lines().toNow(failures[i].line)) {
            QString& all = said[static_cast<int>(*line) - 1];
            all += (all.isEmpty() ? "  " : "\n  ") + QString::fromStdString(failures[i].text);
        }
    for (const auto& [row, text] : said) {
        editor_->markerAdd(row, kFailedLine);
        editor_->annotate(row, text, kMessageStyle);
    }
}

QString ScriptView::text() const { return editor_->text(); }

void ScriptView::setText(const QString& text) {
    loading_ = true;
    editor_->setText(text);
    editor_->setModified(false);
    loading_ = false;
}

void ScriptView::replaceText(const QString& text, bool saved) {
    loading_ = true;
    const QByteArray bytes = text.toUtf8();
    const long cursor = editor_->SendScintilla(QsciScintilla::SCI_GETCURRENTPOS);
    editor_->beginUndoAction();
    editor_->SendScintilla(QsciScintilla::SCI_TARGETWHOLEDOCUMENT);
    editor_->SendScintilla(QsciScintilla::SCI_REPLACETARGET, static_cast<unsigned long>(bytes.size()), bytes.constData());
    editor_->endUndoAction();
    editor_->SendScintilla(QsciScintilla::SCI_GOTOPOS, static_cast<unsigned long>(std::min<long>(cursor, bytes.size())));
    if (saved)
        editor_->setModified(false);
    loading_ = false;
    later_.start();
}

void ScriptView::undo() { editor_->undo(); }
void ScriptView::redo() { editor_->redo(); }
bool ScriptView::canUndo() const { return editor_->isUndoAvailable(); }
bool ScriptView::canRedo() const { return editor_->isRedoAvailable(); }

void ScriptView::openSearch(bool replace) { search_->open(editor_->hasSelectedText() ? editor_->selectedText() : QString(), replace); }

void ScriptView::toSelectionStart() {
    int line = 0, column = 0, toLine = 0, toColumn = 0;
    editor_->getSelection(&line, &column, &toLine, &toColumn);
    if (line >= 0)
        editor_->setCursorPosition(line, column);
}

void ScriptView::findNext(bool back) {
    int line = 0, column = 0;
    editor_->getCursorPosition(&line, &column);
    if (back && editor_->hasSelectedText()) {
        int toLine = 0, toColumn = 0;
        editor_->getSelection(&line, &column, &toLine, &toColumn);
    }
    const bool found = editor_->findFirst(search_->text(), false, false, false, true, !back, line, column);
    search_->tell(found || search_->text().isEmpty() ? QString() : tr("not in the script"));
}

// Nobody is caught in the editor: Escape and Shift+Tab leave it, and Tab does, too, as long as one only came by.
bool ScriptView::eventFilter(QObject* watched, QEvent* event) {
    if (watched != editor_)
        return QWidget::eventFilter(watched, event);
    if (event->type() == QEvent::FocusIn) {
        const auto reason = static_cast<QFocusEvent*>(event)->reason();
        tabLeaves_ = reason == Qt::TabFocusReason || reason == Qt::BacktabFocusReason;
    } else if (event->type() == QEvent::KeyPress || event->type() == QEvent::ShortcutOverride) {
        const auto* key = static_cast<QKeyEvent*>(event);
        const bool leaves =
            key->key() == Qt::Key_Backtab || (key->key() == Qt::Key_Tab && tabLeaves_) ||
            (key->key() == Qt::Key_Escape && editor_->SendScintilla(QsciScintilla::SCI_AUTOCACTIVE) == 0 && !search_->isVisible());
        if (leaves && event->type() == QEvent::KeyPress) {
            if (key->key() == Qt::Key_Escape)
                Q_EMIT left();
            else
                focusNextPrevChild(key->key() == Qt::Key_Tab);
            return true;
        }
        if (key->key() == Qt::Key_Escape && search_->isVisible() && event->type() == QEvent::KeyPress) {
            search_->hide();
            return true;
        }
        if (event->type() == QEvent::KeyPress && !key->text().isEmpty())
            tabLeaves_ = false;
    } else if (event->type() == QEvent::MouseButtonPress) {
        tabLeaves_ = false;
    }
    return QWidget::eventFilter(watched, event);
}

bool ScriptView::isModified() const { return editor_->isModified(); }

void ScriptView::setSaved() { editor_->setModified(false); }

std::size_t ScriptView::cursorOffset() const { return static_cast<std::size_t>(editor_->SendScintilla(QsciScintilla::SCI_GETCURRENTPOS)); }

QStringList ScriptView::complete() {
    const std::string all = text().toStdString();
    const std::size_t at = cursorOffset();
    const std::string_view word = wordAt(all, at);
    const std::size_t typed = word.empty() ? 0 : at - static_cast<std::size_t>(word.data() - all.data());
    const QString begun = QString::fromUtf8(word.data(), static_cast<int>(typed));
    QStringList fits;
    for (const Completion& c : completionsAt(all, at))
        if (const QString text = QString::fromStdString(c.text); text.startsWith(begun, Qt::CaseInsensitive) && text != begun)
            fits << text;
    fits.removeDuplicates();
    // QScintilla asks the screen under the cursor for its size, also where there is none: a window may hang over the edge.
    const auto position = static_cast<long>(at);
    const QPoint cursor(static_cast<int>(editor_->SendScintilla(QsciScintilla::SCI_POINTXFROMPOSITION, 0ul, position)),
                        static_cast<int>(editor_->SendScintilla(QsciScintilla::SCI_POINTYFROMPOSITION, 0ul, position)));
    const bool onScreen = QGuiApplication::screenAt(editor_->viewport()->mapToGlobal(cursor)) != nullptr &&
                          QGuiApplication::screenAt(editor_->mapToGlobal(cursor)) != nullptr;
    if (fits.isEmpty() || !onScreen)
        editor_->SendScintilla(QsciScintilla::SCI_AUTOCCANCEL);
    else
        editor_->SendScintilla(QsciScintilla::SCI_AUTOCSHOW, static_cast<unsigned long>(typed), fits.join(' ').toUtf8().constData());
    return fits;
}

QString ScriptView::helpAtCursor() const {
    const std::string all = text().toStdString();
    const std::string word(wordAt(all, cursorOffset()));
    const std::string help = helpOn(word);
    return help.empty() ? QString() : QString::fromStdString(word + ": " + help);
}

void ScriptView::clearProblem() {
    if (!problem_.isEmpty())
        editor_->clearAnnotations();
    problem_.clear();
    editor_->markerDeleteAll(kErrorLine);
    editor_->SendScintilla(QsciScintilla::SCI_SETINDICATORCURRENT, kSquiggle);
    editor_->SendScintilla(QsciScintilla::SCI_INDICATORCLEARRANGE, 0ul, static_cast<long>(editor_->length()));
}

void ScriptView::showProblem(const QString& message, unsigned line, unsigned column) {
    clearProblem();
    editor_->clearAnnotations(); // where a problem is, what failed in the run before is no matter
    editor_->markerDeleteAll(kFailedLine);
    problem_ = message;
    if (line == 0)
        return;
    const int row = std::min(static_cast<int>(line), editor_->lines()) - 1;
    const long start = editor_->SendScintilla(QsciScintilla::SCI_POSITIONFROMLINE, static_cast<unsigned long>(row));
    const long end = editor_->SendScintilla(QsciScintilla::SCI_GETLINEENDPOSITION, static_cast<unsigned long>(row));
    const std::string all = text().toStdString();
    const long from = std::min(end, start + std::max(0l, static_cast<long>(column) - 1));
    const std::string_view word = wordAt(all, static_cast<std::size_t>(from));
    const long length = std::max<long>(1, std::min<long>(end - from, word.empty() ? end - from : static_cast<long>(word.size())));
    editor_->SendScintilla(QsciScintilla::SCI_SETINDICATORCURRENT, kSquiggle);
    editor_->SendScintilla(QsciScintilla::SCI_INDICATORFILLRANGE, static_cast<unsigned long>(from), length);
    // The place is seen; the words after it are what matters.
    QString shown = message;
    const qsizetype place = shown.indexOf(QString(":%1:%2: ").arg(line).arg(column));
    if (place >= 0)
        shown = shown.mid(shown.indexOf(": ", place) + 2);
    editor_->annotate(row, "  " + shown, kMessageStyle);
    // In the last line that is seen the message below it would be hidden.
    const auto screen = static_cast<int>(editor_->SendScintilla(QsciScintilla::SCI_LINESONSCREEN));
    if (const int below = row + 2 - editor_->firstVisibleLine() - screen; below > 0 && below < 3)
        editor_->setFirstVisibleLine(editor_->firstVisibleLine() + below);
}

void ScriptView::showMarks() {
    if (context_.session() == nullptr)
        return;
    placePosition(false);
    showBreakpoints();
    editor_->markerDeleteAll(kFailedLine);
    if (problem_.isEmpty()) {
        editor_->clearAnnotations();
        showFailures();
    }
}

void ScriptView::showPosition() { placePosition(true); }

void ScriptView::placePosition(bool follow) {
    editor_->markerDeleteAll(kCurrentArrow);
    editor_->markerDeleteAll(kCurrentLine);
    const Session* session = context_.session();
    const Step* step = session->scenario().step(session->scriptAt(session->position()));
    current_ = step != nullptr ? step->line : 0;
    if (current_ == 0)
        return;
    const auto here = lines().toNow(current_);
    if (!here)
        return; // the step was changed since, and the one that runs stands nowhere
    const int line = static_cast<int>(*here) - 1;
    editor_->markerAdd(line, kCurrentArrow);
    editor_->markerAdd(line, kCurrentLine);
    if (!follow)
        return;
    editor_->ensureLineVisible(line);
    // The line stays off the edges, so that what comes next is seen too.
    const int first = editor_->firstVisibleLine();
    const int visible = static_cast<int>(editor_->SendScintilla(QsciScintilla::SCI_LINESONSCREEN));
    if (line < first + 2 || line > first + visible - 4)
        editor_->setFirstVisibleLine(std::max(0, line - visible / 2));
}

void ScriptView::showBreakpoints() {
    editor_->markerDeleteAll(kBreak);
    editor_->markerDeleteAll(kIdleBreak);
    const Session* session = context_.session();
    for (const StopPoint& point : context_.stops().all())
        if (const auto line = point.kind == StopPoint::Kind::Line ? lines().toNow(point.line) : std::nullopt)
            editor_->markerAdd(static_cast<int>(*line) - 1,
                               point.enabled && session != nullptr && canStop(*session, point) ? kBreak : kIdleBreak);
}

void ScriptView::showError(unsigned line, unsigned column, const QString& message) {
    showProblem(message, line, column);
    if (line == 0)
        return;
    editor_->markerAdd(static_cast<int>(line) - 1, kErrorLine);
    editor_->setCursorPosition(static_cast<int>(line) - 1, static_cast<int>(column) - 1);
    editor_->ensureLineVisible(static_cast<int>(line) - 1);
}

} // namespace mirrorscope::views
