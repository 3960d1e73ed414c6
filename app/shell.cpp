// SPDX-License-Identifier: GPL-3.0-or-later
// The manual page and the completions of three shells, made of the commands as they are.
#include "command.h"

#include <fmt/format.h>

#include <memory>

namespace mirrorscope::app {

namespace {
struct Choice {
    std::vector<std::string> names; // "--format", "-o"
    std::string value;              // what its value is called; empty: it has none
    std::vector<std::string> values;
    std::string help;
    bool isPositional = false;
};
struct Command {
    std::string name, help;
    std::vector<Choice> choices;
};

// "TEXT:{text,json}": what stands in the braces.
std::vector<std::string> valuesOf(const std::string& type) {
    std::vector<std::string> values;
    const std::size_t open = type.find('{'), close = type.find('}');
    if (open == std::string::npos || close == std::string::npos)
        return values;
    for (std::size_t at = open + 1; at < close;) {
        const std::size_t end = std::min(type.find(',', at), close);
        values.push_back(type.substr(at, end - at));
        at = end + 1;
    }
    return values;
}

std::vector<Choice> choicesOf(const CLI::App& app) {
    std::vector<Choice> choices;
    for (const CLI::Option* option : app.get_options()) {
        Choice choice;
        for (const std::string& name : option->get_snames())
            choice.names.push_back("-" + name);
        for (const std::string& name : option->get_lnames())
            choice.names.push_back("--" + name);
        choice.isPositional = choice.names.empty();
        if (choice.isPositional)
            choice.names.push_back(option->get_name());
        const std::string type = option->get_type_name();
        choice.values = valuesOf(type);
        if (option->get_type_size() != 0)
            choice.value = choice.values.empty() ? type.substr(0, type.find(':')) : "WORD";
        choice.help = option->get_description();
        choices.push_back(std::move(choice));
    }
    return choices;
}

std::vector<Command> commandsOf(const CLI::App& root) {
    std::vector<Command> commands;
    for (const CLI::App* sub : root.get_subcommands([](const CLI::App*) { return true; }))
        commands.push_back({sub->get_name(), sub->get_description(), choicesOf(*sub)});
    return commands;
}

std::string joined(const std::vector<std::string>& words, const char* between = " ") {
    return fmt::format("{}", fmt::join(words, between));
}

std::vector<std::string> namesOf(const std::vector<Command>& commands) {
    std::vector<std::string> names;
    for (const Command& command : commands)
        names.push_back(command.name);
    return names;
}

std::vector<std::string> optionsOf(const std::vector<Choice>& choices) {
    std::vector<std::string> names;
    for (const Choice& choice : choices)
        if (!choice.isPositional)
            names.insert(names.end(), choice.names.begin(), choice.names.end());
    return names;
}

// A minus is a hyphen to troff, and a dot at a line's beginning a request.
std::string troff(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\')
            out += "\\e";
        else if (c == '-')
            out += "\\-";
        else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
            out += std::string("\\&") + c;
        else
            out += c;
    }
    return out;
}

std::string manOfChoices(const std::vector<Choice>& choices) {
    std::string out;
    for (const Choice& choice : choices) {
        out += ".TP\n\\fB" + troff(joined(choice.names, ", ")) + "\\fR";
        if (!choice.value.empty() && !choice.isPositional)
            out += " \\fI" + troff(choice.value) + "\\fR";
        out += "\n" + troff(choice.help);
        if (!choice.values.empty() && choice.help.find(choice.values.front()) == std::string::npos)
            out += troff(": " + joined(choice.values, ", "));
        out += "\n";
    }
    return out;
}

std::string manPage(const CLI::App& root) {
    std::string out = fmt::format(".TH MIRRORSCOPE 1 \"\" \"mirrorscope {}\" \"User Commands\"\n", MIRRORSCOPE_VERSION);
    out +=
        ".SH NAME\nmirrorscope \\- see, step and break mirrored page tables\n"
        ".SH SYNOPSIS\n.B mirrorscope\n[\\fIFILE\\fR]\n.br\n.B mirrorscope\n\\fICOMMAND\\fR [\\fIOPTION\\fR]...\n"
        ".SH DESCRIPTION\nLinux KVM runs Intel TDX guests with a page table that it may not touch, and keeps a mirror of it that it can "
        "walk. Mirrorscope is a model of KVM's TDP MMU and of the TDX module that runs scripted scenarios step by step, shows the shared, "
        "the mirrored and the real private tree side by side, and explores every interleaving of a race. Without a command the window "
        "opens, with \\fIFILE\\fR or with the first lesson.\n";
    out += ".SH OPTIONS\n" + manOfChoices(choicesOf(root)) + ".SH COMMANDS\n";
    for (const Command& command : commandsOf(root))
        out += ".SS mirrorscope " + troff(command.name) + "\n" + troff(command.help) + ".\n" + manOfChoices(command.choices);
    out += ".SH \"EXIT STATUS\"\n.TP\n0\nall holds\n.TP\n1\nan expectation failed or a rule was violated\n.TP\n2\nunusable input\n"
           ".TP\n3\nstopped by a bound\n"
           ".SH FILES\n.TP\n.I /usr/share/mirrorscope/scenarios\nlessons, races and the history of real bugs\n"
           ".TP\n.I /usr/share/doc/mirrorscope\nthe manual, the scenario language, what the model is faithful to\n";
    return out;
}

std::string bashCompletion(const CLI::App& root) {
    const std::vector<Command> commands = commandsOf(root);
    std::string out = "# bash completion for mirrorscope\n_mirrorscope()\n{\n    local cur prev words cword\n"
                      "    _init_completion 2>/dev/null || { cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD-1]}; }\n"
                      "    local command=${COMP_WORDS[1]} options= values=\n    case \"$command $prev\" in\n";
    for (const Command& command : commands)
        for (const Choice& choice : command.choices)
            for (const std::string& name : choice.names)
                if (!choice.isPositional && !choice.values.empty())
                    out += fmt::format("    \"{} {}\") values=\"{}\" ;;\n", command.name, name, joined(choice.values));
    out += "    esac\n    if [[ -n $values ]]; then\n        COMPREPLY=($(compgen -W \"$values\" -- \"$cur\"))\n        return\n    fi\n"
           "    case $command in\n";
    for (const Command& command : commands)
        out += fmt::format("    {}) options=\"{}\" ;;\n", command.name, joined(optionsOf(command.choices)));
    out += fmt::format(
        "    esac\n    if ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W \"{} {}\" -- \"$cur\") $(compgen -f -- \"$cur\"))\n"
        "    elif [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
        "    else\n        COMPREPLY=($(compgen -f -- \"$cur\"))\n    fi\n}}\ncomplete -o filenames -F _mirrorscope mirrorscope\n",
        joined(namesOf(commands)), joined(optionsOf(choicesOf(root))));
    return out;
}

std::string quoted(std::string text, const char* special) {
    for (std::size_t at = 0; (at = text.find_first_of(special, at)) != std::string::npos; at += 2)
        text.insert(at, "\\");
    return text;
}

std::string zshCompletion(const CLI::App& root) {
    std::string out = "#compdef mirrorscope\n_mirrorscope() {\n    local -a commands\n    commands=(\n";
    const std::vector<Command> commands = commandsOf(root);
    for (const Command& command : commands)
        out += "        " + singleQuoted(command.name + ":" + quoted(command.help, ":")) + "\n";
    out += "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        _files\n        return\n    fi\n    case "
           "$words[2] in\n";
    for (const Command& command : commands) {
        out += "    " + command.name + ")\n        _arguments -s";
        for (const Choice& choice : command.choices) {
            if (choice.isPositional)
                continue;
            for (const std::string& name : choice.names) {
                std::string spec = name + "[" + quoted(choice.help, "[]:") + "]";
                if (!choice.value.empty())
                    spec += ":" + choice.value + ":" + (choice.values.empty() ? "_files" : "(" + joined(choice.values) + ")");
                out += " \\\n            " + singleQuoted(spec);
            }
        }
        out += " \\\n            '2::command:' '*:file:_files'\n        ;;\n";
    }
    return out + "    esac\n}\n_mirrorscope \"$@\"\n";
}

std::string fishCompletion(const CLI::App& root) {
    std::string out = "# fish completion for mirrorscope\n";
    const std::vector<Command> commands = commandsOf(root);
    for (const Command& command : commands)
        out += fmt::format("complete -c mirrorscope -n __fish_use_subcommand -a {} -d {}\n", command.name, singleQuoted(command.help));
    for (const Command& command : commands)
        for (const Choice& choice : command.choices) {
            if (choice.isPositional)
                continue;
            out += fmt::format("complete -c mirrorscope -n '__fish_seen_subcommand_from {}'", command.name);
            for (const std::string& name : choice.names)
                out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
            if (!choice.value.empty())
                out += choice.values.empty() ? " -r" : " -x -a " + singleQuoted(joined(choice.values));
            out += " -d " + singleQuoted(choice.help) + "\n";
        }
    return out;
}
} // namespace

void addShell(CLI::App& root, Invocation& invoke) {
    auto shell = std::make_shared<std::string>();
    CLI::App* completion = root.add_subcommand("completion", "a script that completes commands, options and their values");
    completion->add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
    completion->callback([shell, &root, &invoke] {
        invoke = [shell, &root] {
            put("", *shell == "bash" ? bashCompletion(root) : *shell == "zsh" ? zshCompletion(root) : fishCompletion(root));
            return kOk;
        };
    });
    CLI::App* man = root.add_subcommand("man", "the manual page, for troff");
    man->callback([&root, &invoke] {
        invoke = [&root] {
            put("", manPage(root));
            return kOk;
        };
    });
}

} // namespace mirrorscope::app
