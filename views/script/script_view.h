// SPDX-License-Identifier: GPL-3.0-or-later
// The scenario's text as an editor: the running line, breakpoints, completion and help from the vocabulary, and what is wrong with it
// under the word that is wrong.
#pragma once

#include "views/context.h"
#include "views/script/check_job.h"
#include "views/script/line_map.h"

#include <QTimer>
#include <QWidget>

class QsciScintilla;

namespace mirrorscope::views {

class ScenarioLexer;
class SearchBar;

class ScriptView : public QWidget {
    Q_OBJECT
public:
    explicit ScriptView(Context& context, QWidget* parent = nullptr);
    unsigned cursorLine() const;                      // from 1
    unsigned currentLine() const { return current_; } // of the step that is running, 0 if none
    // What line of the text that runs that is, whatever was edited since; nothing if it was changed or is new.
    std::optional<unsigned> lineThatRuns(unsigned line) const { return lines().toWas(line); }
    void showError(unsigned line, unsigned column, const QString& message);

    QString text() const;
    // Another script: what could be undone is gone.
    void setText(const QString& text);
    // Another text of the same script, which Undo takes back. `saved`: it is what the file has.
    void replaceText(const QString& text, bool saved);
    // Differs from what was read or saved last.
    bool isModified() const;
    void setSaved();
    // What is wrong with the text as it is now; empty if nothing is known to be.
    QString problem() const { return problem_; }
    // Opens the list of what fits at the cursor; the words are returned, too.
    QStringList complete();
    // What the word under the cursor means.
    QString helpAtCursor() const;
    void undo();
    void redo();
    bool canUndo() const;
    bool canRedo() const;
    // Find, or find and replace, in the script.
    void openSearch(bool replace);
    // The name that messages begin with.
    void setFileName(const QString& name) { fileName_ = name; }

Q_SIGNALS:
    void modifiedChanged(bool modified);
    void edited();
    void checked();
    void breakWanted(unsigned line); // a click beside the line
    void left();                     // by Escape

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void findNext(bool back);
    void toSelectionStart();
    void load();
    void showPosition();
    void placePosition(bool follow);
    void showBreakpoints();
    void showFailures();
    // All of them again, where their lines are now.
    void showMarks();
    void widenNumbers();
    const LineMap& lines() const;
    void restyle();
    void showProblem(const QString& message, unsigned line, unsigned column);
    void clearProblem();
    std::size_t cursorOffset() const;

    Context& context_;
    QsciScintilla* editor_;
    ScenarioLexer* lexer_;
    SearchBar* search_;
    CheckJob check_;
    QTimer later_;
    QString fileName_, problem_;
    unsigned current_ = 0;
    mutable std::optional<LineMap> lines_; // from what runs to what stands here
    bool loading_ = false;
    bool tabLeaves_ = false; // it was come to by the keyboard, and nothing was typed yet
};

} // namespace mirrorscope::views
