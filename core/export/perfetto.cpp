// SPDX-License-Identifier: GPL-3.0-or-later
// The run as a trace for ui.perfetto.dev and chrome://tracing: a microsecond for each micro-step, a track for each actor and lock.
#include "base/text.h"
#include "export/export.h"
#include "session/style.h"

#include <fmt/format.h>

namespace mirrorscope {

void writePerfetto(const Session& session, const std::function<void(const std::string&)>& write) {
    constexpr unsigned kRun = 1, kLocks_ = 2, kCalls = 3;
    write("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"unit\":\"one microsecond is one micro-step\",\"title\":" +
          jsonString(session.scenario().title) + "},\"traceEvents\":[\n");
    bool first = true;
    const auto put = [&](const std::string& event) {
        write((first ? "" : ",\n") + event);
        first = false;
    };
    const auto meta = [&](unsigned pid, unsigned tid, const char* what, std::string_view name) {
        put(fmt::format("{{\"ph\":\"M\",\"pid\":{},\"tid\":{},\"name\":\"{}\",\"args\":{{\"name\":{}}}}}", pid, tid, what,
                        jsonString(name)));
    };
    meta(kRun, 0, "process_name", "actors");
    meta(kLocks_, 0, "process_name", "locks");
    meta(kCalls, 0, "process_name", "SEAMCALLs");
    for (const ActorId actor : session.actors())
        for (const unsigned process : {kRun, kCalls})
            meta(process, actor + 1, "thread_name", session.actorName(actor));
    const auto slice = [&](unsigned pid, unsigned tid, u64 begin, u64 end, std::string_view category, std::string_view name,
                           const std::string& args) {
        put(fmt::format("{{\"ph\":\"X\",\"pid\":{},\"tid\":{},\"ts\":{},\"dur\":{},\"cat\":\"{}\",\"name\":{},\"args\":{{{}}}}}", pid, tid,
                        begin, end - begin, category, jsonString(name), args));
    };
    // Calls as nested slices: a call lasts as long as its actor is in it.
    struct Open {
        std::string function;
        u64 begin;
    };
    const std::size_t actors = session.actors().empty() ? 0 : session.actors().back() + std::size_t{1};
    std::vector<std::vector<Open>> open(actors);
    std::vector<u64> lastOf(actors, 0);
    const auto close = [&](ActorId actor, std::size_t depth, u64 end) {
        auto& stack = open[actor];
        while (stack.size() > depth) {
            slice(kRun, actor + 1, stack.back().begin, end, "call", stack.back().function, "");
            stack.pop_back();
        }
    };
    for (u64 n = 0; n < session.end(); ++n) {
        const StepView step = session.step(n);
        auto& stack = open[step.actor];
        std::size_t common = 0;
        while (common < stack.size() && common < step.where.size() && stack[common].function == step.where[common])
            ++common;
        close(step.actor, common, lastOf[step.actor]);
        for (std::size_t i = common; i < step.where.size(); ++i)
            stack.push_back({step.where[i], n});
        lastOf[step.actor] = n + 1;
        const Step* script = session.scenario().step(step.script);
        slice(kRun, step.actor + 1, n, n + 1, styleOf(groupOf(step.site)).name, info(step.site).name,
              script == nullptr ? "" : fmt::format("\"step\":\"{}\",\"line\":{}", script->path, script->line));
    }
    for (const ActorId actor : session.actors())
        close(actor, 0, lastOf[actor]);
    for (const Span& span : session.lanes().seamcalls()) {
        // On a track of the actor's own, beside what it did: slices of one track must not overlap.
        std::string args = fmt::format("\"status\":{}", jsonString(span.closed ? statusName(span) : "has not returned"));
        for (const CallRegister& r : session.registersOf(span))
            args += fmt::format(
                ",{}:\"{}\"",
                jsonString(fmt::format("{}{}{}", r.out ? "→ " : "", r.reg, r.name.empty() || r.reg == "RAX" ? "" : " " + r.name)),
                hex(r.value));
        slice(kCalls, span.actor + 1, span.begin, span.end, span.kind == Span::Kind::Seamcall ? "SEAMCALL" : "TDCALL", leafName(span),
              args);
    }
    for (unsigned lock = 0; lock < kLocks; ++lock) {
        if (!session.lanes().locks(lock).empty())
            meta(kLocks_, lock + 1, "thread_name", name(static_cast<LockId>(lock)));
        for (const Span& span : session.lanes().locks(lock))
            // Readers overlap, so these are asynchronous.
            for (const char phase : {'b', 'e'})
                put(fmt::format("{{\"ph\":\"{}\",\"pid\":{},\"tid\":{},\"id\":\"{}.{}\",\"cat\":\"lock\",\"ts\":{},\"name\":{},\"args\":{{"
                                "\"actor\":\"{}\",\"mode\":\"{}\"}}}}",
                                phase, kLocks_, lock + 1, lock, span.begin, phase == 'b' ? span.begin : span.end,
                                jsonString(fmt::format("{} {}", session.actorName(span.actor),
                                                       span.kind == Span::Kind::Wait ? "waits"
                                                       : span.write                  ? "writes"
                                                                                     : "reads")),
                                session.actorName(span.actor), span.write ? "write" : "read"));
    }
    for (const Violation& v : session.violations())
        put(fmt::format("{{\"ph\":\"i\",\"s\":\"g\",\"pid\":{},\"tid\":{},\"ts\":{},\"name\":{}}}", kRun, v.actor + 1, v.n,
                        jsonString(fmt::format("{} violated: {}", info(v.rule).name, v.text))));
    write("\n]}\n");
}

} // namespace mirrorscope
