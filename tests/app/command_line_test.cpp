// SPDX-License-Identifier: GPL-3.0-or-later
// The program from outside: subcommands, exit status, one line of error.
#include "support/command_line.h"
#include "support/effort.h"
#include "support/lines.h"

#include <gtest/gtest.h>

#include <regex>

#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>

namespace mirrorscope::test {

TEST_F(CommandLine, a_picture_is_taken_without_a_word_of_qt_about_the_desktop) {
    const Result r =
        call("screenshot " + lesson("01-first-private-page.yaml") + " --size 1024x700 -o '" + (folder_ / "shot.png").string() + "'");
    EXPECT_EQ(r.status, 0) << r.error;
    EXPECT_EQ(r.error, "");
    EXPECT_GT(std::filesystem::file_size(folder_ / "shot.png"), 10'000u);
}

TEST_F(CommandLine, the_glossary_explains_a_term_and_says_what_was_meant) {
    const Result one = call("glossary PAMT");
    EXPECT_EQ(one.status, 0);
    EXPECT_NE(one.out.find("physical page"), std::string::npos) << one.out;
    const Result wrong = call("glossary PAMP");
    expectOneLine(wrong);
    EXPECT_NE(wrong.error.find("`PAMT`?"), std::string::npos) << wrong.error;
    const auto all = nlohmann::json::parse(call("glossary --format json").out);
    EXPECT_GT(all.size(), 60u);
    for (const auto& term : all)
        EXPECT_TRUE(std::filesystem::exists(kSource / "scenarios" / term["shown_by"].get<std::string>())) << term["term"];
    EXPECT_EQ(call("glossary --format markdown").out, readFile((kSource / "resources/docs/glossary.md").string()))
        << "sh tests/regenerate.sh";
}

TEST_F(CommandLine, kernels_are_told_apart_point_by_point) {
    EXPECT_EQ(call("kernels --format markdown").out, readFile((kSource / "resources/docs/versions.md").string()))
        << "sh tests/regenerate.sh";
    const auto points = nlohmann::json::parse(call("kernels --format json").out);
    EXPECT_GE(points.size(), 20u);
    for (const auto& point : points)
        for (const char* kernel : {"6.16", "6.19", "7.2", "next"})
            EXPECT_FALSE(point[kernel].get<std::string>().empty()) << point["point"];
    // What is not modelled is refused by name, with what is nearest.
    const auto refused = [&](const std::string& key, const std::string& value) {
        const Result r = call("run " + lesson("01-first-private-page.yaml") + " --set machine." + key + "=" + value);
        expectOneLine(r);
        return r.error;
    };
    EXPECT_NE(refused("kernel", "6.18").find("kernel 6.18 is not modelled; the nearest that is: `6.19`?"), std::string::npos);
    EXPECT_NE(refused("kernel", "7.1").find("`7.2`?"), std::string::npos);
    EXPECT_NE(refused("kernel", "6.12").find("`6.16`?"), std::string::npos);
    EXPECT_NE(refused("kernel", "7.4").find("`next`?"), std::string::npos);
    EXPECT_NE(refused("kernel", "99.999").find("`next`?"), std::string::npos);
    EXPECT_EQ(refused("kernel", "06.16").find("nearest"), std::string::npos);
    EXPECT_NE(refused("kernel", "fixd").find("`fixed`?"), std::string::npos);
    EXPECT_NE(refused("module", "2.5").find("unknown module `2.5`"), std::string::npos);
    EXPECT_NE(refused("features", "[private-2M]").find("private-2M is of a TD and of `kernel: 7.2` or `next`"), std::string::npos);
    EXPECT_NE(refused("features", "[in-place-conversion]").find("in-place-conversion is of a VM with private memory and of `kernel: next`"),
              std::string::npos);
    EXPECT_NE(refused("features", "[dynamic-pamt]").find("dynamic-pamt is of a TD and of `kernel: next`"), std::string::npos);
    for (const char* kernel : {"7.2 --set 'machine.features=[non-blocking-resize]'",
                               "next --set 'machine.features=[private-2M, dynamic-pamt, non-blocking-resize]'"})
        EXPECT_NE(refused("kernel", kernel).find("non-blocking-resize stands beside private-2M"), std::string::npos);
    EXPECT_NE(refused("features", "[dynamic-pmt]").find("`dynamic-pamt`?"), std::string::npos);
    EXPECT_NE(refused("kernel", "7.2 --set 'machine.break=[free-before-remove]'").find("not pinned any more"), std::string::npos);
}

// The race of 30 is lost in 6.16 and cannot be lost in 6.19; that of 28 can be lost until what is queued behind 7.2.
TEST_F(CommandLine, races_are_explored_under_each_kernel) {
    const Result image = call("explore " + race("30-image-and-new-vcpu.yaml") + " --each-kernel --format jsonl");
    EXPECT_EQ(image.status, 1);
    std::map<std::string, std::size_t> violations;
    std::istringstream lines(image.out);
    for (std::string line; std::getline(lines, line);) {
        const auto json = nlohmann::json::parse(line);
        EXPECT_TRUE(json["complete"].get<bool>());
        violations[json["kernel"]] = json["violations"].size();
    }
    ASSERT_EQ(violations.size(), 4u);
    EXPECT_GT(violations["6.16"], 0u);
    for (const char* kernel : {"6.19", "7.2", "next"})
        EXPECT_EQ(violations[kernel], 0u) << kernel;
    const Result zap = call("explore " + race("28-prefault-and-fast-zap.yaml") + " --each-kernel");
    EXPECT_NE(zap.out.find("next        4  nothing"), std::string::npos) << zap.out;
    EXPECT_NE(zap.out.find("7.2         3  progress"), std::string::npos) << zap.out;
    // Several at a time tell the same, in the same order, but for the seconds.
    const Result two = call("explore " + race("28-prefault-and-fast-zap.yaml") + " --each-kernel --jobs 2");
    const auto withoutSeconds = [](const std::string& text) { return std::regex_replace(text, std::regex("[0-9.]+ s\n"), "s\n"); };
    EXPECT_EQ(withoutSeconds(two.out), withoutSeconds(zap.out));
    EXPECT_EQ(two.status, zap.status);
    expectOneLine(call("explore x.yaml --each-kernel --frontier f"));
}

TEST_F(CommandLine, words_of_the_debugger_are_taken_from_a_file) {
    const std::string words = write("words.txt", "# to the frozen entry\nb spte.freeze if gpa:0x4000\r\nc\ninfo locks\np mirror 0x4000\n");
    const Result r = call("run " + lesson("01-first-private-page.yaml") + " --commands " + words);
    EXPECT_EQ(r.status, 0) << r.error;
    EXPECT_NE(r.out.find("Breakpoint 1, spte.freeze"), std::string::npos) << r.out;
    EXPECT_NE(r.out.find("mmu_lock"), std::string::npos) << r.out;
    EXPECT_NE(r.out.find("mirror 0x4000 4K = 0x80000000000005a0  frozen"), std::string::npos) << r.out;
    EXPECT_NE(r.out.find("micro-steps"), std::string::npos) << "the rest is run: " << r.out;
    // A word that is none is told with its place, and the run is judged as ever.
    const Result none = call("run " + lesson("01-first-private-page.yaml") + " --commands " + write("none.txt", "c\n  brake 3\n"));
    expectOneLine(none);
    EXPECT_NE(none.error.find("none.txt:2:3: `brake` is no word of the console; `break`?"), std::string::npos) << none.error;
    const std::string failing =
        write("failing.yaml", "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
                              "  - vcpu0: {read: 0}\nexpect: [{violations: 3}]\n");
    EXPECT_EQ(call("run " + failing + " --commands " + write("one.txt", "c\n")).status, 1);
    EXPECT_EQ(call("run " + failing + " --commands " + write("quit.txt", "quit\nnever read\n")).status, 1);
    EXPECT_EQ(call("run " + failing + " --commands " + (folder_ / "missing.txt").string()).status, 2);
    EXPECT_EQ(call("run " + failing + " --format jsonl --commands " + write("one.txt", "c\n")).status, 2);
}

TEST_F(CommandLine, a_variant_is_the_same_script_with_other_keys_and_expectations) {
    const std::string file = write("variants.yaml", R"(mirrorscope: 1
machine: {vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 64K}], break: [skip-flush]}
script:
  - vcpu0: {read: 0}
  - race:
      vcpu0: [{read: 0}]
      host: [{discard: {gpa: 0}}]
expect: [{violation: no-stale-tlb}]
variants:
  fixed:
    machine: {break: []}
    expect: [{violations: 0}]
  one-cpu: {machine: {vcpus: 1}}
  broken-file: {expect: [{result: nobody, is: ok}]}
)");
    EXPECT_EQ(call("explore " + file + " --all").status, 0);
    EXPECT_EQ(call("explore " + file + " --variant fixed").status, 0);
    EXPECT_EQ(call("run " + file + " --variant fixed").status, 0);
    EXPECT_NE(call("run " + file + " --variant fixed --format jsonl").out.find("\"break\":\"[]\""), std::string::npos);
    EXPECT_NE(call("run " + file + " --variant one-cpu --format jsonl").out.find("\"vcpus\":\"1\""), std::string::npos);
    EXPECT_EQ(call("explore " + file + " --variant fixed --set 'machine.break=[skip-flush]'").status, 1);
    // Results of one variant are not joined to another's.
    const auto identity = [&](const std::string& options) {
        const std::string out = call("explore " + file + " --all --format jsonl " + options).out;
        const std::size_t at = out.find("\"of\":");
        return at == std::string::npos ? std::string() : out.substr(at, out.find(',', at) - at);
    };
    EXPECT_FALSE(identity("").empty());
    EXPECT_NE(identity(""), identity("--variant fixed"));
    // What is saved is the variant's, and runs by itself.
    const std::string saved = (folder_ / "saved.yaml").string();
    EXPECT_EQ(call("explore " + file + " --variant fixed --set 'machine.break=[skip-flush]' --save-counterexample '" + saved + "'").status,
              1);
    EXPECT_EQ(call("run '" + saved + "'").status, 0);
    const Result unknown = call("run " + file + " --variant fixd");
    expectOneLine(unknown);
    EXPECT_NE(unknown.error.find("`fixed`"), std::string::npos) << unknown.error;
    expectOneLine(call("run " + lesson("01-first-private-page.yaml") + " --variant fixed"));
    expectOneLine(call("run " + file + " --set variant=fixed"));
    // `check` looks into each.
    const Result checked = call("check " + file);
    expectOneLine(checked);
    EXPECT_NE(checked.error.find("nobody"), std::string::npos) << checked.error;
}

TEST_F(CommandLine, unusable_input_is_one_line_and_exit_2) {
    expectOneLine(call("run " + write("empty.yaml", "")));
    expectOneLine(call("run " + write("binary.yaml", std::string("\x7f"
                                                                 "ELF\0\1\2\3",
                                                                 8))));
    expectOneLine(call("check " + write("broken.yaml", "mirrorscope: 1\nscript: [\n")));
    expectOneLine(call("check " + write("twice.yaml", "mirrorscope: 1\ntitle: a\ntitle: b\n")));
    expectOneLine(call("run " + write("deep.yaml", "mirrorscope: 1\nscript: " + std::string(200000, '['))));
    expectOneLine(call("run " + write("deep2.yaml", "mirrorscope: 1\nscript: " + std::string(200000, '[') + std::string(200000, ']'))));
    expectOneLine(call("run " + write("indent.yaml", [] {
                           std::string text = "mirrorscope: 1\nscript:\n";
                           for (unsigned i = 0; i < 3000; ++i)
                               text += std::string(i, ' ') + "- a:\n";
                           return text;
                       }())));
    expectOneLine(call("run " + (folder_ / "nowhere.yaml").string()));
    expectOneLine(call("run " + folder_.string()));
    expectOneLine(call("rnu"));
    expectOneLine(call("run --formatt text " + lesson("01-first-private-page.yaml")));
    expectOneLine(call("run --set vcpus " + lesson("01-first-private-page.yaml")));
    expectOneLine(call("run --at 999999 " + lesson("01-first-private-page.yaml")));
    expectOneLine(call("export --at 1 --as pdf " + lesson("01-first-private-page.yaml"))); // to no file
    expectOneLine(call("export --at 1 --as pdg " + lesson("01-first-private-page.yaml")));
    expectOneLine(call("export --range 5..3 " + lesson("01-first-private-page.yaml")));
    expectOneLine(call("export --range 5 " + lesson("01-first-private-page.yaml")));
    expectOneLine(call("export --range 1..9 --as csv " + lesson("01-first-private-page.yaml")));
    expectOneLine(call("mutants no-such-break"));
}

TEST_F(CommandLine, a_hundred_megabytes_of_nesting_are_refused_without_being_read) {
    const std::string file = (folder_ / "huge.yaml").string();
    {
        std::ofstream out(file, std::ios::binary);
        const std::string block(1 << 20, '[');
        for (unsigned i = 0; i < 100; ++i)
            out << block;
    }
    expectOneLine(call("run " + file));
}

TEST_F(CommandLine, a_broken_expectation_exits_1_and_prints_what_was_found) {
    const std::string file = write("wrong.yaml", "mirrorscope: 1\nmachine: {slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                                                 "  - init-mem-region: {gpa: 0}\nexpect: [{tree: secure, gpa: 0, is: free}]\n");
    for (const char* format : {"text", "jsonl", "junit"}) {
        const Result r = call("run " + file + " --format " + format);
        EXPECT_EQ(r.status, 1) << format;
        EXPECT_NE(r.out.find("mapped"), std::string::npos) << r.out;
    }
}

TEST_F(CommandLine, sarif_says_what_is_wrong_at_its_line) {
    const auto results = [&](const Result& r) {
        const auto log = nlohmann::json::parse(r.out);
        EXPECT_EQ(log.at("version"), "2.1.0");
        return log.at("runs").at(0).at("results");
    };
    const auto lineOf = [](const nlohmann::json& result) {
        return result.at("locations").at(0).at("physicalLocation").at("region").at("startLine").get<int>();
    };
    const std::string head =
        "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 1, break: [no-rollback], slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
        "  - {init-mem-region: {gpa: 0, size: 4K, measure: false}}\n  - finalize-vm\n  - {vcpu0: {read: 0x0}, id: a}\n"
        "  - {inject: {seamcall: TDH.MEM.PAGE.AUG, status: OPERAND_BUSY}}\n";
    const std::string broken = write("two words.yaml", head + "  - race: {vcpu0: [{accept: 0x1000}], host: [{age: {gpa: 0x1000}}]}\n");
    const Result explored = call("explore --format sarif " + broken);
    EXPECT_EQ(explored.status, 1) << explored.error;
    const auto found = results(explored);
    ASSERT_EQ(found.size(), 1u) << explored.out;
    EXPECT_EQ(found[0].at("ruleId"), "coherent");
    EXPECT_EQ(lineOf(found[0]), 8);
    EXPECT_NE(explored.out.find("/two%20words.yaml"), std::string::npos) << explored.out;

    const Result run = call("run --format sarif " + write("a.yaml", head + "expect: [{result: a, is: EAGAIN}]\n") + " " +
                            write("b.yaml", "mirrorscope: 1\nscript: [{punch-hol: {gpa: 0}}]\n"));
    EXPECT_EQ(run.status, 2);
    const auto wrong = results(run);
    ASSERT_EQ(wrong.size(), 2u) << run.out;
    EXPECT_EQ(wrong[0].at("ruleId"), "expect");
    EXPECT_EQ(lineOf(wrong[0]), 8);
    EXPECT_EQ(wrong[1].at("ruleId"), "input");
    EXPECT_EQ(lineOf(wrong[1]), 2);

    const Result good = call("explore --format junit " + race("05-fault-and-punch-hole.yaml"));
    EXPECT_EQ(good.status, 0);
    EXPECT_NE(good.out.find("tests=\"1\" failures=\"0\""), std::string::npos) << good.out;
    EXPECT_NE(call("explore --format junit " + broken).out.find("coherent"), std::string::npos);
}

TEST_F(CommandLine, diff_exits_1_where_two_runs_differ) {
    const std::string file =
        write("hole.yaml", "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
                           "  - {init-mem-region: {gpa: 0, size: 4K}}\n  - finalize-vm\n  - {vcpu0: {accept: 0x1000}}\n"
                           "  - {punch-hole: {gpa: 0x1000}}\n");
    const Result same = call("diff " + file + " --set machine.dispatch=role --set machine.dispatch=iter");
    EXPECT_EQ(same.status, 0) << same.out << same.error;
    const Result other = call("diff " + file + " --set machine.dispatch=role --set machine.dispatch=fault");
    EXPECT_EQ(other.status, 1);
    EXPECT_NE(other.out.find("private 0x1000 4K"), std::string::npos) << other.out;
    EXPECT_EQ(call("diff " + file + " --kernel 6.16 --kernel fixed").status, 1);
    EXPECT_EQ(call("diff " + file + " " + file).status, 0);
    EXPECT_EQ(call("diff " + file + " --at 0 --at end").status, 1);
    EXPECT_EQ(nlohmann::json::parse(call("diff " + file + " --at 3 --at 3 --format json").out).at("equal"), true);
    expectOneLine(call("diff " + file));
    expectOneLine(call("diff " + file + " --set machine.vcpus=1 --kernel 6.16"));
    expectOneLine(call("diff " + file + " --kernel 6.16 --kernel 5.0"));
    expectOneLine(call("diff " + file + " " + file + " " + file));
}

TEST_F(CommandLine, bounds_exit_3) {
    const Result r = call("run --max-steps 50 " + lesson("01-first-private-page.yaml"));
    EXPECT_EQ(r.status, 3) << r.out;
    EXPECT_NE(r.out.find("50"), std::string::npos);
    EXPECT_EQ(call("explore --max-steps 100 " + lesson("05-two-vcpus-one-page.yaml")).status, 3);
}

TEST_F(CommandLine, several_files_are_summed_up) {
    const Result r = call("run " + lesson("01-first-private-page.yaml") + " " + lesson("02-shared-beside-private.yaml"));
    EXPECT_EQ(r.status, 0);
    EXPECT_NE(r.out.find("2 of 2 files hold"), std::string::npos) << r.out;
}

TEST_F(CommandLine, check_refuses_what_run_refuses) {
    const std::string bad = write("bad.yaml", "mirrorscope: 1\nscript: [{punch-hol: {gpa: 0}}]\n");
    const Result check = call("check " + bad), run = call("run " + bad);
    expectOneLine(check);
    EXPECT_EQ(check.error, run.error);
    EXPECT_NE(check.error.find("bad.yaml:2:11:"), std::string::npos) << check.error;
    EXPECT_EQ(call("check " + lesson("03-built-before-it-runs.yaml")).status, 0);
}

TEST_F(CommandLine, explore_prints_one_json_object_at_the_end) {
    const Result r = call("explore --format jsonl " + lesson("04-convert-and-back.yaml"));
    EXPECT_EQ(r.status, 0);
    const auto start = r.out.rfind('{', r.out.rfind("\"kind\":\"explored\""));
    const auto json = nlohmann::json::parse(r.out.substr(start));
    EXPECT_EQ(json["complete"], true);
    EXPECT_EQ(json["races"], 1);
    EXPECT_GE(json["executions"], 1);
    ASSERT_FALSE(json["assumes"].empty());
    EXPECT_NE(json["assumes"].dump().find("sequentially consistent"), std::string::npos);
}

TEST_F(CommandLine, a_verdict_says_what_it_rests_on) {
    const auto unwrapped = [](std::string text) { return std::regex_replace(text, std::regex("\\n +"), " "); };
    const Result states = call("explore --mode stateful " + race("18-age-and-zap.yaml"));
    EXPECT_NE(states.out.find("rests on: Linux 6.16"), std::string::npos) << states.out;
    EXPECT_NE(unwrapped(states.out).find("hash of 64 bits"), std::string::npos) << states.out;
    const Result bounded = call("explore --bound-preemptions 2 " + race("18-age-and-zap.yaml"));
    EXPECT_NE(unwrapped(bounded.out).find("at most 2 preemptions"), std::string::npos) << bounded.out;
    const Result traces = call("explore --mode stateless " + race("18-age-and-zap.yaml"));
    EXPECT_EQ(unwrapped(traces.out).find("hash of 64 bits"), std::string::npos) << traces.out;
    std::istringstream rests(states.out.substr(states.out.find("  rests on")));
    for (std::string line; std::getline(rests, line);)
        EXPECT_LE(line.size(), 78u) << line;
}

TEST_F(CommandLine, rules_tell_each_assertion_that_is_heard) {
    const auto rules = nlohmann::json::parse(call("rules --format json").out);
    const auto rule = std::find_if(rules.begin(), rules.end(), [](const auto& r) { return r["name"] == "kernel-asserts"; });
    ASSERT_NE(rule, rules.end());
    EXPECT_GT((*rule)["asserts"].size(), 60u);
    for (const auto& row : (*rule)["asserts"])
        EXPECT_FALSE(row["function"].get<std::string>().empty() || row["condition"].get<std::string>().empty()) << row;
}

TEST_F(CommandLine, shards_are_merged) {
    const std::string file = race("20-snp-conversion-and-fault.yaml");
    const auto executions = [](const Result& r) { return nlohmann::json::parse(r.out)["executions"].get<unsigned>(); };
    const auto shard = [&](const char* which, const std::string& of) {
        const Result r = call("explore --mode stateless --format jsonl --shard " + std::string(which) + " " + of);
        EXPECT_EQ(r.status, 0);
        return r.out;
    };
    const std::string first = write("1.jsonl", shard("1/2", file)), second = write("2.jsonl", shard("2/2", file));
    const Result whole = call("explore --mode stateless --format jsonl " + file),
                 merged = call("merge --format jsonl " + first + " " + second);
    EXPECT_EQ(merged.status, 0);
    EXPECT_EQ(executions(merged), executions(whole));
    EXPECT_EQ(nlohmann::json::parse(merged.out)["complete"], true);

    const Result part = call("merge " + first);
    EXPECT_EQ(part.status, 3) << part.out;
    EXPECT_NE(part.error.find("missing: 2/2"), std::string::npos) << part.error;
    EXPECT_EQ(call("merge " + first + " " + first).status, 3); // the same one twice is one
    expectOneLine(call("merge " + file));
    const std::string other = write("other.jsonl", shard("2/2", race("18-age-and-zap.yaml")));
    expectOneLine(call("merge " + first + " " + other));
    expectOneLine(call("explore --shard 3/2 " + file));
    expectOneLine(call("explore --mode stateless --bound-preemptions 1 " + file));
}

TEST_F(CommandLine, gnu_parallel_runs_the_shards) {
    ASSERT_EQ(std::system("command -v parallel > /dev/null"), 0) << "tests/run.sh installs it";
    const std::string file = race("12-busy-sept-and-kick.yaml"), out = folder_.string();
    const std::string shards = "seq 4 | parallel -j 2 \"" + program() + " explore --mode stateless --shard {}/4 --format jsonl " + file +
                               " > " + out + "/{}.jsonl\" 2> " + out + "/parallel.err";
    ASSERT_EQ(std::system(shards.c_str()), 0);
    const Result whole = call("explore --mode stateless --format jsonl " + file);
    const Result merged = call("merge --format jsonl " + out + "/[1-4].jsonl");
    EXPECT_EQ(merged.status, 0) << merged.error;
    EXPECT_EQ(nlohmann::json::parse(merged.out)["executions"], nlohmann::json::parse(whole.out)["executions"]);
}

// Killed where it stands, it goes on from what was done.
TEST_F(CommandLine, a_killed_exploration_goes_on_from_its_frontier) {
    const std::string file = race(wholeEffort() ? "05-fault-and-punch-hole.yaml" : "04-fault-and-discard.yaml"),
                      frontier = (folder_ / "frontier.json").string();
    const std::string options = "explore --mode stateless --frontier " + frontier + " --format jsonl " + file;
    EXPECT_EQ(call(options + " --max-steps 20000").status, 3);
    std::system(("timeout -s KILL 0.4 " + program() + " " + options + " > /dev/null 2>&1").c_str());
    const Result whole = call("explore --mode stateless --format jsonl " + file), resumed = call(options);
    EXPECT_EQ(resumed.status, 0) << resumed.error;
    EXPECT_EQ(nlohmann::json::parse(resumed.out)["executions"], nlohmann::json::parse(whole.out)["executions"]);
    expectOneLine(call("explore --frontier " + frontier + " " + race("18-age-and-zap.yaml")));
}

TEST_F(CommandLine, a_bound_on_preemptions_is_no_failure) {
    const Result r = call("explore --bound-preemptions 0 --format jsonl " + race("12-busy-sept-and-kick.yaml"));
    EXPECT_EQ(r.status, 0) << r.out;
    EXPECT_EQ(nlohmann::json::parse(r.out)["complete"], false);
}

namespace {
long charactersOf(const std::string& line) {
    return std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
}
} // namespace

// As changelogs of the kernel draw races: in 78 columns, each actor in its own.
TEST_F(CommandLine, steps_in_columns) {
    const std::string file = race("01-two-faults-one-page.yaml");
    const auto lines = linesOf(call("export --as columns " + file).out);
    const auto head = std::find_if(lines.begin(), lines.end(), [](const std::string& line) { return line.starts_with("vcpu0"); });
    ASSERT_NE(head, lines.end());
    const std::size_t second = head->find("vcpu1");
    ASSERT_NE(second, std::string::npos);
    unsigned left = 0, right = 0;
    for (auto at = head + 2; at < lines.end(); ++at) {
        ASSERT_FALSE(at->empty());
        const bool isSecond = at->find_first_not_of(' ') >= second;
        (isSecond ? right : left) += 1;
        if (!isSecond) { // no line runs into the column beside it
            EXPECT_LT(charactersOf(*at), static_cast<long>(second)) << *at;
        }
        EXPECT_LE(charactersOf(*at), 78) << *at;
    }
    EXPECT_GT(left, 20u);
    EXPECT_GT(right, 20u);
    // More actors than there is room for share a column, by name.
    const std::string many =
        write("many.yaml", "mirrorscope: 1\nmachine: {vm: default, vcpus: 6, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                           "  - race:\n      vcpu0: [{read: 0}]\n      vcpu1: [{read: 0}]\n      vcpu2: [{read: 0}]\n"
                           "      vcpu3: [{read: 0}]\n      vcpu4: [{read: 0}]\n      vcpu5: [{read: 0}]\n");
    const std::string out = call("export --as columns " + many).out;
    EXPECT_NE(out.find("others"), std::string::npos);
    EXPECT_NE(out.find("vcpu5:\n"), std::string::npos);
    for (const std::string& line : linesOf(out))
        EXPECT_LE(charactersOf(line), 78) << line;
}

// What is repeated, or done by one actor in a row, is no race.
TEST_F(CommandLine, steps_in_columns_are_those_of_the_races) {
    const std::string file =
        write("repeated.yaml", "mirrorscope: 1\nmachine: {vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                               "  - vcpu1: [{write: 0x1000}, {write: 0x2000}]\n  - repeat: {times: 2, do: [{age: {gpa: 0, size: 4K}}]}\n"
                               "  - race:\n      vcpu0: [{read: 0x1000}]\n      host: [{age: {gpa: 0x1000, size: 4K}}]\n"
                               "  - repeat: {times: 2, do: [{vcpu1: {read: 0x3000}}]}\n");
    const std::string out = call("export --as columns " + file).out;
    EXPECT_NE(out.find("vcpu0"), std::string::npos);
    EXPECT_EQ(out.find("vcpu1"), std::string::npos) << out;
}

TEST_F(CommandLine, a_part_of_the_run) {
    const std::string lesson1 = lesson("01-first-private-page.yaml");
    const auto text = linesOf(call("export --as text --range 185..190 " + lesson1).out);
    unsigned steps = 0, trees = 0;
    for (const std::string& line : text) {
        steps += line.starts_with("   18") || line.starts_with("   190");
        trees += line.starts_with("GPA ");
        EXPECT_LE(charactersOf(line), 78) << line;
    }
    EXPECT_EQ(steps, 5u);
    EXPECT_EQ(trees, 2u);
    const std::string whole = call("export --as html " + lesson1).out, part = call("export --as html --range 185..190 " + lesson1).out;
    EXPECT_LT(part.size(), whole.size());
    EXPECT_NE(part.find("\"first\":185"), std::string::npos);
    EXPECT_EQ(call("export --as svg --at 185 --to 190 " + lesson1).out, call("export --as svg --range 185..190 " + lesson1).out);
    const std::string pdf = (folder_ / "handout.pdf").string();
    ASSERT_EQ(call("export --as pdf -o " + pdf + " " + lesson1).status, 0);
    const std::string content = readFile(pdf);
    EXPECT_TRUE(content.starts_with("%PDF-"));
    EXPECT_NE(content.find("/Type /Page\n"), std::string::npos);
    EXPECT_NE(content.find("/Subtype /Image"), std::string::npos); // the trees
    EXPECT_NE(call("export --as pdf -o /nonexistent/h.pdf " + lesson1).status, 0);
}

TEST_F(CommandLine, exports_and_vocabulary_are_what_they_say) {
    const Result json = call("export --at 100 --as json " + lesson("01-first-private-page.yaml"));
    EXPECT_EQ(json.status, 0);
    EXPECT_EQ(nlohmann::json::parse(json.out)["position"], 100);
    EXPECT_NE(call("export --at end --as text " + lesson("01-first-private-page.yaml")).out.find("leaf"), std::string::npos);
    const Result svg = call("export --at end --as svg -o " + (folder_ / "t.svg").string() + " " + lesson("01-first-private-page.yaml"));
    EXPECT_EQ(svg.status, 0) << svg.error;
    EXPECT_TRUE(readFile((folder_ / "t.svg").string()).starts_with("<svg"));
    for (const char* what : {"sites", "verbs", "rules", "seamcalls"}) {
        EXPECT_EQ(call(what).status, 0);
        const auto list = nlohmann::json::parse(call(std::string(what) + " --format json").out);
        EXPECT_TRUE(list.is_array());
        EXPECT_GT(list.size(), 5u);
    }
    EXPECT_TRUE(call("--version").out.starts_with("mirrorscope "));
    EXPECT_NE(call("run --help").out.find("--max-steps"), std::string::npos);
}

TEST_F(CommandLine, a_screenshot_is_a_picture_of_that_size) {
    const std::string png = (folder_ / "s.png").string();
    const Result r = call("screenshot --size 1000x700 -o " + png + " " + lesson("01-first-private-page.yaml"));
    EXPECT_EQ(r.status, 0) << r.error;
    std::ifstream in(png, std::ios::binary);
    const std::string head = [&] {
        std::string bytes(24, '\0');
        in.read(bytes.data(), 24);
        return bytes;
    }();
    EXPECT_EQ(head.substr(1, 3), "PNG");
    const auto number = [&](std::size_t at) {
        unsigned n = 0;
        for (std::size_t i = 0; i < 4; ++i)
            n = n << 8 | static_cast<unsigned char>(head[at + i]);
        return n;
    };
    EXPECT_EQ(number(16), 1000u);
    EXPECT_EQ(number(20), 700u);
}

// What is no regular file is written to and stays what it is; a link stays a link; a disk that is full is said.
TEST_F(CommandLine, files_stay_what_they_are) {
    const std::string pipe = (folder_ / "pipe").string(), got = (folder_ / "got").string();
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    const std::string export_ = program() + " export " + lesson("01-first-private-page.yaml") + " --as text -o ";
    ASSERT_EQ(std::system(("cat '" + pipe + "' > '" + got + "' & " + export_ + "'" + pipe + "'; wait").c_str()), 0);
    EXPECT_TRUE(std::filesystem::is_fifo(pipe));
    EXPECT_GT(std::filesystem::file_size(got), 100u);
    std::ofstream(folder_ / "real") << "old";
    std::filesystem::create_symlink(folder_ / "real", folder_ / "link");
    ASSERT_EQ(std::system((export_ + "'" + (folder_ / "link").string() + "'").c_str()), 0);
    EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "link"));
    EXPECT_EQ(std::filesystem::file_size(folder_ / "real"), std::filesystem::file_size(got));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 4); // nothing is left beside
    for (const std::string to : {" > /dev/full", " -o /dev/full"}) {
        const int raw =
            std::system((program() + " export " + lesson("01-first-private-page.yaml") + " --as text" + to + " 2>/dev/null").c_str());
        EXPECT_EQ(WEXITSTATUS(raw), 2) << to;
        EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
    }
}

} // namespace mirrorscope::test
