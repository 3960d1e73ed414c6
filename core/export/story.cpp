// SPDX-License-Identifier: GPL-3.0-or-later
#include "export/story.h"

#include "base/text.h"
#include "export/export.h"
#include "kvm/spte.h"
#include "trace/event.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>

namespace mirrorscope {

namespace {
using Json = nlohmann::ordered_json;

// Frames in the order in which they are met.
class FramesMet {
public:
    std::string operator()(u64 pfn) { return fmt::format("frame {}", known_.try_emplace(pfn, known_.size()).first->second); }

private:
    std::unordered_map<u64, std::size_t> known_;
};

constexpr std::array<std::string_view, 4> kAddressesOfFrames{"tdr", "tdvpr", "page", "source"};
constexpr std::array<std::string_view, 5> kNotCompared{"n", "line", "step", "where", "site"};

template <std::size_t N>
bool isOne(const std::array<std::string_view, N>& of, const std::string& key) {
    return std::find(of.begin(), of.end(), key) != of.end();
}

u64 numberOf(const Json& value) { return value.is_string() ? std::stoull(value.get<std::string>(), nullptr, 0) : value.get<u64>(); }

Json withoutFrames(const Json& event, FramesMet& frames) {
    Json out = Json::object();
    const std::string kind = event.at("kind");
    for (const auto& [key, value] : event.items()) {
        if (isOne(kNotCompared, key))
            continue;
        if (value.is_null() || value.is_structured())
            out[key] = value;
        else if (key == "pfn" || key == "root" || (key == "owner" && value.is_number()))
            out[key] = frames(numberOf(value));
        else if (kind == "seamcall" && isOne(kAddressesOfFrames, key))
            out[key] = frames(numberOf(value) >> 12);
        else if ((kind == "spte" || kind == "sept") && (key == "old" || key == "new"))
            out[key] = fmt::format("{:#x}", numberOf(value) & ~u64{ept::kPfnMask});
        else
            out[key] = value;
    }
    return out;
}

// Each time that an entry holds FROZEN_SPTE; those of a table that goes are left out, which nobody can reach.
class FrozenTimes {
public:
    void changed(const Json& event, u64 n) {
        const std::string name = fmt::format("{} {:#x} {}", event.at("tree").get<std::string>(), event.at("gfn").get<u64>() << 12,
                                             levelName(levelOf(event.at("level").get<unsigned>())));
        const std::string entry = name + " " + event.at("root").dump();
        if (const auto open = since_.find(entry); open != since_.end() && event.at("is") != "frozen") {
            told_.push_back({open->second.n, fmt::format("{} for {} micro-step{}", open->second.text, n - open->second.n,
                                                         n - open->second.n == 1 ? "" : "s")});
            since_.erase(open);
        } else if (open == since_.end() && event.at("is") == "frozen") {
            since_[entry] = {n, fmt::format("{} freezes {}", event.at("actor").get<std::string>(), name)};
        }
    }
    std::vector<Told> all() {
        for (const auto& [entry, begun] : since_)
            told_.push_back({begun.n, begun.text + " up to the end"});
        since_.clear();
        std::stable_sort(told_.begin(), told_.end(), [](const Told& a, const Told& b) { return a.n < b.n; });
        return std::move(told_);
    }

private:
    std::map<std::string, Told> since_;
    std::vector<Told> told_;
};

// As the kernel would print it; which frame an entry names is left out.
std::vector<Told> traceLines(Session& session, u64 end) {
    std::vector<Told> told;
    const auto unnamed = [](u64 spte) { return spte::isPresent(spte) ? spte & ~u64{ept::kPfnMask} : spte; };
    traceOf(session, false, [&](TraceEvent event, const TraceNames& names) {
        const u64 n = event.time / kTraceStep - 1;
        if (n >= end)
            return;
        if (event.kind == TraceKind::SpteChanged || event.kind == TraceKind::FastPageFault)
            event.b = unnamed(event.b);
        if (event.kind == TraceKind::SetSpte)
            event.b = 0;
        if (event.kind != TraceKind::GetPage && event.kind != TraceKind::PrepareZapPage && event.kind != TraceKind::PageFault)
            event.a = unnamed(event.a);
        const std::string line = lineText(event, names);
        told.push_back({n, names.taskOf(event.task).comm + " " + line.substr(line.find(": ") + 2)});
    });
    return told;
}
} // namespace

Story storyOf(Session& session, u64 end) {
    Story story;
    FrozenTimes frozen;
    for (u64 n = 0; n < end; ++n) {
        const StepView step = session.step(n);
        const std::string who = session.actorName(step.actor) + " " + std::string(info(step.site).name);
        story.brief.push_back(who + (step.where.empty() ? "" : " in " + step.where.back() + "()"));
        story.micro.push_back(who);
        for (const std::string& function : step.where)
            story.micro.back() += "\n" + function;
        if (const std::string_view site = info(step.site).name; site.starts_with("kick.") || site == "tlb.request")
            story.kicks.push_back({n, story.brief.back()});
    }
    FramesMet frames;
    std::map<std::string, std::string> entered; // by actor: the gpa of the leaf that it is in
    std::map<std::string, unsigned> returned;   // how often who has done what
    writeJsonl(session, [&](const std::string& line) {
        const Json event = Json::parse(line);
        const std::string kind = event.at("kind");
        const u64 n = event.at("n").get<u64>();
        if (n >= end || kind == "begin" || kind == "end" || kind == "expect" || kind == "note" || kind == "violation")
            return;
        const std::string actor = event.value("actor", "");
        story.micro[n] += "\n" + withoutFrames(event, frames).dump();
        if (kind == "seamcall") {
            if (event.at("phase") == "enter") {
                entered[actor] = event.contains("gpa") ? " " + event.at("gpa").get<std::string>() : "";
                return;
            }
            std::string text = actor + " " + event.at("leaf").get<std::string>() + entered[actor] + " → " + event.value("status", "");
            if (const auto operand = event.find("operand"); operand != event.end() && operand->is_string())
                text += " " + operand->get<std::string>();
            story.seamcalls.push_back({n, text});
        } else if (kind == "spte" && (event.at("where").empty() || event.at("where").back() != "handle_removed_pt")) {
            frozen.changed(event, n);
        } else if (kind == "lock" && event.at("do") != "wait") {
            story.locks.push_back(
                {n, fmt::format("{} {} {} for {}", actor, event.at("do") == "acquire" ? "takes" : "releases",
                                event.at("lock").get<std::string>(), event.value("mode", "") == "read" ? "reading" : "writing")});
        } else if (kind == "step" && event.at("phase") == "end") {
            std::string text = event.contains("result") && event.at("result").is_string() ? event.at("result").get<std::string>() : "";
            for (const char* more : {"value", "details"})
                if (const auto found = event.find(more); found != event.end())
                    text += ", " + (found->is_string() ? found->get<std::string>() : found->dump());
            if (event.at("verb") == "race")
                return;
            const std::string name = actor + " " + event.at("verb").get<std::string>();
            const unsigned times = ++returned[name];
            story.results.emplace_back(times == 1 ? name : fmt::format("{} #{}", name, times), text);
        }
    });
    story.frozen = frozen.all();
    story.lines = traceLines(session, end);
    return story;
}

} // namespace mirrorscope
