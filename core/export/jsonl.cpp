// SPDX-License-Identifier: GPL-3.0-or-later
// The JSONL stream: a reading of the journal and of the marks, position by position.
#include "base/text.h"
#include "export/export.h"
#include "scenario/runner.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <algorithm>

namespace mirrorscope {

std::string jsonString(std::string_view text) {
    return nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

namespace {

class Stream {
public:
    Stream(Session& session, const std::function<void(const std::string&)>& line) : session_(session), line_(line) {}

    void run() {
        const System& system = session_.system();
        begin();
        const auto& marks = system.sim().marks();
        std::size_t mark = 0;
        const auto emitMarks = [&](u64 n, bool before) {
            for (; mark < marks.size() && marks[mark].n <= n; ++mark) {
                const bool isBegin =
                    marks[mark].kind == MarkKind::StepBegin ||
                    (marks[mark].phase == 0 && (marks[mark].kind == MarkKind::Seamcall || marks[mark].kind == MarkKind::TdCall));
                if (before && !isBegin)
                    break;
                emit(mark);
            }
        };
        for (u64 n = 0; n < session_.end(); ++n) {
            emitMarks(n, true);
            session_.seek(n + 1);
            changes(n);
            emitMarks(n, false);
        }
        emitMarks(~0ull, false);
        end();
    }

private:
    std::string head(u64 n, std::string_view kind) const { return fmt::format("{{\"n\":{},\"kind\":\"{}\"", n, kind); }

    // Who did it: from the record of the micro-step.
    std::string who(u64 n) const {
        const StepView view = session_.step(n);
        std::string where;
        for (const auto& function : view.where)
            where += (where.empty() ? "" : ",") + jsonString(function);
        std::string text = fmt::format(",\"actor\":\"{}\"", session_.actorName(view.actor)) + stepKeys(view.script);
        return text + fmt::format(",\"site\":\"{}\",\"where\":[{}]", info(view.site).name, where);
    }
    std::string stepKeys(u32 script) const {
        const Step* step = script == 0 ? nullptr : session_.scenario().step(script);
        return step == nullptr ? std::string() : fmt::format(",\"step\":\"{}\",\"line\":{}", step->path, step->line);
    }
    void put(const std::string& text) { line_(text + "}"); }

    void begin() {
        const Scenario& scenario = session_.scenario();
        std::string machine;
        for (const auto& [key, value] : scenario.machineText)
            machine += fmt::format("{}\"{}\":{}", machine.empty() ? "" : ",", key, jsonString(value));
        put(head(0, "begin") + fmt::format(",\"file\":{},\"title\":{},\"machine\":{{{}}},\"version\":\"{}\"", jsonString(scenario.file),
                                           jsonString(scenario.title), machine, MIRRORSCOPE_VERSION));
    }

    void end() {
        const Runner& runner = session_.runner();
        const System& system = session_.system();
        std::string counts;
        const auto add = [&](std::string_view name, u64 n) {
            if (n != 0)
                counts += fmt::format("{}\"{}\":{}", counts.empty() ? "" : ",", name, n);
        };
        for (unsigned i = 0; i < kEventCounters; ++i)
            add(info(static_cast<Counter>(i)).name, system.sim().counter(static_cast<Counter>(i)));
        add("leaf", system.kvm().leafCount());
        add("table", system.kvm().tableCount());
        add("frame", system.frames().inUse());
        for (unsigned i = 0; i < kLeaves; ++i)
            add(info(static_cast<Leaf>(i)).name, system.sim().leafCount(i));
        for (unsigned i = 0; i < kSites; ++i)
            add(info(static_cast<Site>(i)).name, system.machine().siteCount(static_cast<Site>(i)));
        const u64 last = session_.end() == 0 ? 0 : session_.end() - 1;
        put(head(last, "end") + fmt::format(",\"ok\":{},\"steps\":{},\"counts\":{{{}}},\"violations\":{},\"failed\":{}", runner.ok(),
                                            session_.end(), counts, session_.violations().size(), runner.failed()));
    }

    void changes(u64 n) {
        const System& system = session_.system();
        const Machine& machine = system.machine();
        // One event for each place, whatever was written to it within the step.
        std::vector<std::pair<u64, u64>> deltas;
        machine.forEachChange(n, [&](Place place, u64 delta) {
            const auto it = deltas.size() > 64
                                ? deltas.end()
                                : std::find_if(deltas.begin(), deltas.end(), [&](const auto& d) { return d.first == place.v; });
            if (it == deltas.end())
                deltas.emplace_back(place.v, delta);
            else
                it->second ^= delta;
        });
        for (const auto& [p, delta] : deltas)
            if (delta != 0)
                change(n, Place{p}, machine.peek(Place{p}) ^ delta, machine.peek(Place{p}));
    }

    void change(u64 n, Place place, u64 old, u64 now) {
        const System& system = session_.system();
        const Frames& frames = system.frames();
        if (place.v < frames.count() * 512) {
            const auto where = session_.locate(place);
            if (!where)
                return;
            if (where->column == Column::Private) {
                constexpr u64 kLockBits = sept::kLock | sept::kHostPriority;
                if (((old ^ now) & ~kLockBits) == 0 || (old == 0 && sept::stateOf(now) == SeptState::Free))
                    return; // a lock, or the table itself was just made
                put(head(n, "sept") + who(n) +
                    fmt::format(",\"gfn\":{},\"level\":{},\"old\":\"{}\",\"new\":\"{}\",\"was\":\"{}\",\"is\":\"{}\"", where->gfn.v,
                                number(where->level), hex16(old), hex16(now), name(old == 0 ? SeptState::Free : sept::stateOf(old)),
                                name(sept::stateOf(now))));
                return;
            }
            if (old == 0 && now == spte::kNonpresent)
                return; // the table itself was just made
            const auto state = [&](u64 raw) { return name(stateOf(system.kvm().masks(), raw, where->level)); };
            put(head(n, "spte") + who(n) +
                fmt::format(
                    ",\"tree\":\"{}\",\"root\":{},\"gfn\":{},\"level\":{},\"old\":\"{}\",\"new\":\"{}\",\"was\":\"{}\",\"is\":\"{}\"",
                    where->column == Column::Mirror ? "mirror" : "direct", root(frameOf(place)).v, where->gfn.v, number(where->level),
                    hex16(old), hex16(now), state(old), state(now)) +
                smmJson(where->smm));
        } else if (const auto pfn = frames.frameOfMeta(place)) {
            const FrameKind was = Frames::kindOf(old), is = Frames::kindOf(now);
            if (was != is)
                put(head(n, "frame") + who(n) +
                    fmt::format(",\"pfn\":{},\"was\":\"{}\",\"is\":\"{}\",\"owner\":\"host\"", pfn->v, name(was), name(is)));
        } else if (const auto covered = system.isSnp() ? system.rmp().frameOf(place) : std::nullopt) {
            const RmpEntry was = Rmp::decode(old), is = Rmp::decode(now);
            put(head(n, "rmp") + who(n) +
                fmt::format(",\"pfn\":{},\"was\":\"{}\",\"is\":\"{}\",\"gpa\":\"{}\",\"size\":\"{}\"", covered->v, stateName(was),
                            stateName(is), hex((is.assigned ? is : was).gfn.v << 12), levelName((is.assigned ? is : was).level)));
        } else if (const auto run = system.isTdx() ? system.module().framesOfPamt(place) : TdxModule::FrameRun{}; run.count != 0) {
            const bool typeWord = place == system.module().pamt4k(run.first) || place == system.module().pamt2m(run.first) ||
                                  place == system.module().pamt1g(run.first);
            if (typeWord && old >> 16 != now >> 16)
                put(head(n, "pamt") + who(n) +
                    fmt::format(",\"pfn\":{},\"level\":{},\"was\":\"{}\",\"is\":\"{}\",\"owner\":{}", run.first.v,
                                run.count == 1                                                                 ? 1
                                : run.first.v % (512 * 512) == 0 && place == system.module().pamt1g(run.first) ? 3
                                                                                                               : 2,
                                name(pamt::type(old)), name(pamt::type(now)), pamt::owner(now).v));
        } else if (place >= system.sim().lockPlace(LockId::MmuLock) && place < system.sim().lockPlace(LockId::Count_)) {
            const auto lock = static_cast<LockId>(place.v - system.sim().lockPlace(LockId::MmuLock).v);
            const bool write = (old | now) >> 32 != 0;
            put(head(n, "lock") + who(n) +
                fmt::format(",\"lock\":\"{}\",\"do\":\"{}\",\"mode\":\"{}\"", name(lock), now > old ? "acquire" : "release",
                            write ? "write" : "read"));
        } else {
            for (unsigned v = 0; v < system.config().vcpus; ++v)
                if (system.kvm().tlb(v).owns(place) && system.kvm().tlb(v).tagPlace(place) == place) {
                    const u64 value = system.machine().peek(place + 1);
                    const TlbEntry e = Tlb::decode(now != 0 ? now : old, value);
                    const std::string translation = now != 0 ? fmt::format(",\"level\":{},\"pfn\":{}", number(e.level), e.pfn.v) : "";
                    put(head(n, "tlb") + who(n) +
                        fmt::format(",\"vcpu\":{},\"do\":\"{}\",\"gpa\":\"{}\",\"as\":\"{}\"{}", v, now != 0 ? "fill" : "flush",
                                    hex(gpaOf(e.gfn)), e.alias == Alias::Shared ? "shared" : "private",
                                    translation + smmJson(isSmm(e.gfn))));
                }
        }
    }

    Pfn root(Pfn table) const {
        for (unsigned depth = 0; depth < 6; ++depth) {
            const MmuPage page = session_.system().kvm().peekPage(table);
            if (!page.ptep)
                return table;
            table = frameOf(*page.ptep);
        }
        return {0};
    }

    static std::string detailsJson(const Details& details) {
        std::string text;
        details.forEach(
            [&](Field field, u64 value) { text += fmt::format("{}\"{}\":\"{}\"", text.empty() ? "" : ",", name(field), hex(value)); });
        if (details.error != 0)
            text += fmt::format("{}\"errno\":\"{}\"", text.empty() ? "" : ",", errnoName(static_cast<int>(details.error)));
        return "{" + text + "}";
    }

    std::string operands(const LeafInfo& leaf, const u64* r) const {
        std::string text;
        const auto add = [&](Operand operand, u64 value) {
            switch (operand) {
            case Operand::None: break;
            case Operand::Range: text += fmt::format(",\"page\":\"{}\",\"level\":{}", hex(value & ~0xfffull), (value & 7) + 1); break;
            case Operand::GpaLevel: text += fmt::format(",\"gpa\":\"{}\",\"level\":{}", hex(value & ept::kPfnMask), (value & 7) + 1); break;
            default: text += fmt::format(",\"{}\":\"{}\"", name(operand), hex(value));
            }
        };
        add(leaf.rcx, r[0]);
        add(leaf.rdx, r[1]);
        add(leaf.r8, r[2]);
        add(leaf.r9, r[3]);
        return text;
    }

    void emit(std::size_t index) {
        const Mark& mark = session_.system().sim().marks()[index];
        const u64 n = session_.end() == 0 ? 0 : std::min(mark.n, session_.end() - 1);
        const std::string actor = fmt::format(",\"actor\":\"{}\"", session_.actorName(mark.actor)) + stepKeys(mark.script);
        const std::string context = mark.n < session_.end() ? who(mark.n) : actor;
        const Step* step = session_.scenario().step(mark.script);
        switch (mark.kind) {
        case MarkKind::StepBegin:
            put(head(n, "step") + actor + fmt::format(",\"verb\":\"{}\",\"phase\":\"begin\"", info(static_cast<Verb>(mark.code)).name));
            break;
        case MarkKind::StepEnd: {
            const Outcome outcome = outcomeOf(session_.system().sim(), index);
            std::string extra;
            if (mark.a[3] != 0 && outcome.kind == Outcome::Kind::Ok)
                extra = fmt::format(",\"value\":\"{}\"", hex(outcome.value));
            if (outcome.details.present != 0 || outcome.details.error != 0)
                extra += ",\"details\":" + detailsJson(outcome.details);
            put(head(n, "step") + actor +
                fmt::format(",\"verb\":\"{}\",\"phase\":\"end\",\"result\":\"{}\"{}", info(static_cast<Verb>(mark.code)).name,
                            outcomeName(outcome), extra));
            break;
        }
        case MarkKind::StepDetails: break; // told with the StepEnd
        case MarkKind::Seamcall:
        case MarkKind::TdCall: {
            const LeafInfo& leaf = info(static_cast<Leaf>(mark.code));
            std::string text = head(n, "seamcall") + context +
                               fmt::format(",\"leaf\":\"{}\",\"phase\":\"{}\"", leaf.name, mark.phase == 0 ? "enter" : "leave");
            if (mark.phase == 0) {
                text += operands(leaf, mark.a);
            } else {
                const u64 status = mark.a[0];
                const bool exits = mark.kind == MarkKind::TdCall && mark.a[1] != 0;
                text += fmt::format(",\"status\":\"{}\",\"operand\":{},\"code\":\"{}\"", exits ? "EXIT" : tdx::statusName(status),
                                    tdx::operandText(status).empty() ? "null" : jsonString(tdx::operandText(status)), hex16(status));
            }
            put(text);
            break;
        }
        case MarkKind::Fault: {
            constexpr std::string_view accesses[] = {"read", "write", "exec"};
            const auto r = static_cast<int>(static_cast<std::int64_t>(mark.a[2]));
            put(head(n, "fault") + context +
                fmt::format(",\"vcpu\":{},\"gpa\":\"{}\",\"as\":\"{}\",\"access\":\"{}\",\"result\":\"{}\"", mark.a[3], hex(mark.a[0]),
                            mark.a[1] != 0 ? "shared" : "private", accesses[mark.code], retPfName(r)) +
                smmJson(mark.a[5] != 0));
            break;
        }
        case MarkKind::Exit: {
            const std::string_view reason = mark.code == 48    ? "EPT_VIOLATION"
                                            : mark.code == 49  ? "EPT_MISCONFIG"
                                            : mark.code == 18  ? "VMCALL"
                                            : mark.code == 200 ? "NPF"
                                            : mark.code == 201 ? "VMGEXIT"
                                                               : "TDCALL";
            put(head(n, "exit") + context +
                fmt::format(",\"vcpu\":{},\"reason\":\"{}\",\"gpa\":\"{}\"", mark.a[0], reason, hex(mark.a[1])) + smmJson(mark.a[4] != 0));
            break;
        }
        case MarkKind::LockWait:
            put(head(n, "lock") + actor +
                fmt::format(",\"lock\":\"{}\",\"do\":\"wait\",\"mode\":\"{}\"", name(static_cast<LockId>(mark.code)),
                            mark.phase != 0 ? "write" : "read"));
            break;
        case MarkKind::TlbHit:
            put(head(n, "tlb") + context +
                fmt::format(",\"vcpu\":{},\"do\":\"hit\",\"gpa\":\"{}\",\"as\":\"{}\",\"pfn\":{}", mark.a[2], hex(mark.a[0]),
                            mark.a[1] != 0 ? "shared" : "private", mark.a[3]) +
                smmJson(mark.a[4] != 0));
            break;
        case MarkKind::Expect: {
            const auto& e = session_.runner().expectations()[mark.a[0]];
            put(head(n, "expect") + (mark.script != 0 ? actor : std::string()) +
                fmt::format("{},\"holds\":{},\"text\":{},\"found\":{}", mark.script != 0 ? "" : fmt::format(",\"line\":{}", e.line),
                            e.holds, jsonString(e.text), jsonString(e.found)));
            break;
        }
        case MarkKind::Violation: {
            const Violation& v = session_.violations()[mark.a[0]];
            std::string places;
            for (const Place place : v.places)
                places += fmt::format("{}\"{}\"", places.empty() ? "" : ",", hex(place.v));
            put(head(n, "violation") + context +
                fmt::format(",\"rule\":\"{}\",\"text\":{},\"places\":[{}]", info(v.rule).name, jsonString(v.text), places));
            break;
        }
        case MarkKind::Note:
        case MarkKind::Ask:
            put(head(n, "note") + actor + fmt::format(",\"text\":{}", jsonString(step != nullptr ? step->text : "")));
            break;
        case MarkKind::Answer:
            put(head(n, "answer") + actor + fmt::format(",\"text\":{}", jsonString(step != nullptr ? answerText(*step, mark.a[0]) : "")));
            break;
        case MarkKind::Pause: put(head(n, "note") + actor + ",\"text\":\"pause\""); break;
        }
    }

    Session& session_;
    const std::function<void(const std::string&)>& line_;
};

} // namespace

void writeJsonl(Session& session, const std::function<void(const std::string&)>& line) {
    const u64 here = session.position();
    Stream(session, line).run();
    session.seek(here);
}

} // namespace mirrorscope
