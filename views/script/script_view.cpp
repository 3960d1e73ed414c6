// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/script/script_view.h"

// QScintilla's headers need Qt's keywords, which the rest does without (`slots` is a name of KVM's).
#define signals Q_SIGNALS
#define slots Q_SLOTS
#include <Qsci/qscilexeryaml.h>
#include <Qsci/qsciscintilla.h>
#undef signals
#undef slots

#include <QVBoxLayout>

namespace mirrorscope::views {

namespace {
constexpr int kNumbers = 0, kSymbols = 1;
constexpr int kCurrentArrow = 1, kBreak = 2, kCurrentLine = 3, kErrorLine = 4;
} // namespace

ScriptView::ScriptView(Context& context, QWidget* parent)
    : QWidget(parent), context_(context), editor_(new QsciScintilla(this)), lexer_(new QsciLexerYAML(this)) {
    setObjectName("script");
    editor_->setObjectName("editor");
    editor_->setAccessibleName("Scenario");
    editor_->setUtf8(true);
    editor_->setReadOnly(true);
    editor_->setCaretLineVisible(false);
    editor_->setFrameShape(QFrame::NoFrame);
    editor_->setLexer(lexer_);
    editor_->setFolding(QsciScintilla::NoFoldStyle);
    editor_->setMarginType(kNumbers, QsciScintilla::NumberMargin);
    editor_->setMarginType(kSymbols, QsciScintilla::SymbolMargin);
    editor_->setMarginWidth(kSymbols, 18);
    editor_->setMarginMarkerMask(kSymbols, 1 << kCurrentArrow | 1 << kBreak);
    editor_->setMarginSensitivity(kSymbols, true);
    editor_->setMarginSensitivity(kNumbers, true);
    editor_->markerDefine(QsciScintilla::RightTriangle, kCurrentArrow);
    editor_->markerDefine(QsciScintilla::Circle, kBreak);
    editor_->markerDefine(QsciScintilla::Background, kCurrentLine);
    editor_->markerDefine(QsciScintilla::Background, kErrorLine);
    editor_->SendScintilla(QsciScintilla::SCI_SETSCROLLWIDTHTRACKING, 1);
    editor_->SendScintilla(QsciScintilla::SCI_SETSCROLLWIDTH, 1);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(editor_);
    setFocusProxy(editor_);
    connect(editor_, &QsciScintilla::marginClicked, this,
            [this](int, int line, Qt::KeyboardModifiers) { context_.toggleLine(static_cast<unsigned>(line) + 1); });
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
    lexer_->setDefaultFont(mono);
    lexer_->setFont(mono);
    lexer_->setDefaultPaper(theme.base);
    lexer_->setPaper(theme.base);
    lexer_->setDefaultColor(theme.text);
    lexer_->setColor(theme.text);
    lexer_->setColor(theme.accent, QsciLexerYAML::Identifier);
    lexer_->setColor(theme.dim, QsciLexerYAML::Comment);
    lexer_->setColor(theme.dark ? QColor("#ff9a57") : QColor("#9a3b00"), QsciLexerYAML::Number);
    lexer_->setColor(theme.dark ? QColor("#cc79a7") : QColor("#8a3f70"), QsciLexerYAML::Keyword);
    lexer_->setColor(theme.text, QsciLexerYAML::SyntaxErrorMarker);
    lexer_->setPaper(theme.base, QsciLexerYAML::SyntaxErrorMarker);
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
    editor_->setMarkerBackgroundColor(theme.selection, kCurrentLine);
    editor_->setMarkerBackgroundColor(theme.dark ? QColor("#5c2327") : QColor("#fbd9dc"), kErrorLine);
}

void ScriptView::load() {
    editor_->markerDeleteAll();
    editor_->setText(QString::fromStdString(context_.session()->scenario().source));
    editor_->setMarginWidth(kNumbers, QString::number(editor_->lines() * 10));
    current_ = 0;
    showPosition();
}

void ScriptView::showPosition() {
    editor_->markerDeleteAll(kCurrentArrow);
    editor_->markerDeleteAll(kCurrentLine);
    editor_->markerDeleteAll(kErrorLine);
    const Session* session = context_.session();
    const Step* step = session->scenario().step(session->scriptAt(session->position()));
    current_ = step != nullptr ? step->line : 0;
    if (current_ == 0)
        return;
    const int line = static_cast<int>(current_) - 1;
    editor_->markerAdd(line, kCurrentArrow);
    editor_->markerAdd(line, kCurrentLine);
    editor_->ensureLineVisible(line);
    // The line stays off the edges, so that what comes next is seen too.
    const int first = editor_->firstVisibleLine();
    const int visible = static_cast<int>(editor_->SendScintilla(QsciScintilla::SCI_LINESONSCREEN));
    if (line < first + 2 || line > first + visible - 4)
        editor_->setFirstVisibleLine(std::max(0, line - visible / 2));
}

void ScriptView::showBreakpoints() {
    editor_->markerDeleteAll(kBreak);
    for (const unsigned line : context_.breakpoints().lines)
        editor_->markerAdd(static_cast<int>(line) - 1, kBreak);
}

void ScriptView::showError(const QString& text, unsigned line, unsigned column) {
    editor_->setText(text);
    editor_->markerDeleteAll();
    if (line == 0)
        return;
    editor_->markerAdd(static_cast<int>(line) - 1, kErrorLine);
    editor_->setCursorPosition(static_cast<int>(line) - 1, static_cast<int>(column) - 1);
    editor_->ensureLineVisible(static_cast<int>(line) - 1);
}

} // namespace mirrorscope::views
