// SPDX-License-Identifier: GPL-3.0-or-later
// The scenario's text with the current line and the breakpoints.
#pragma once

#include "views/context.h"

#include <QWidget>

class QsciScintilla;
class QsciLexerYAML;

namespace mirrorscope::views {

class ScriptView : public QWidget {
    Q_OBJECT
public:
    explicit ScriptView(Context& context, QWidget* parent = nullptr);
    unsigned cursorLine() const;                      // from 1
    unsigned currentLine() const { return current_; } // of the step that is running, 0 if none
    void showError(const QString& text, unsigned line, unsigned column);

private:
    void load();
    void showPosition();
    void showBreakpoints();
    void restyle();

    Context& context_;
    QsciScintilla* editor_;
    QsciLexerYAML* lexer_;
    unsigned current_ = 0;
};

} // namespace mirrorscope::views
