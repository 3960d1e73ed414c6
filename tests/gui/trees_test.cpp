// SPDX-License-Identifier: GPL-3.0-or-later
// The trees at any size, their states, and the inspector: points 1 to 3 of the window.
#include "support/window.h"

#include "session/style.h"
#include "views/inspector/inspector_view.h"
#include "views/links.h"
#include "views/trees/legend.h"

#include <QLabel>
#include <QPainter>
#include <QRegularExpression>
#include <QScrollBar>
#include <QTreeWidget>
#include <QWheelEvent>

using namespace mirrorscope;
using namespace mirrorscope::views;
using namespace mirrorscope::test;

class TreesTest : public QObject {
    Q_OBJECT

private:
    static void wheel(QWidget& widget, const QPoint& at, int notches, Qt::KeyboardModifiers modifiers = Qt::NoModifier) {
        QWheelEvent event(at, widget.mapToGlobal(at), {}, QPoint(0, 120 * notches), Qt::NoButton, modifiers, Qt::NoScrollPhase, false);
        QCoreApplication::sendEvent(&widget, &event);
    }
    // `place` in the widget's own units, of which a pixel of the screen may be a part.
    static bool shows(const QImage& image, const QRect& place, const QColor& colour, int tolerance = 30) {
        const double scale = image.devicePixelRatio();
        const QRect where = QRectF(place.x() * scale, place.y() * scale, place.width() * scale, place.height() * scale).toRect();
        for (int y = where.top(); y <= where.bottom(); ++y)
            for (int x = where.left(); x <= where.right(); ++x) {
                const QColor c = image.pixelColor(x, y);
                if (std::abs(c.red() - colour.red()) + std::abs(c.green() - colour.green()) + std::abs(c.blue() - colour.blue()) <=
                    tolerance)
                    return true;
            }
        return false;
    }

private Q_SLOTS:
    void keys_and_zoom_change_the_form() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QVERIFY(w.trees().form() == TreeForm::List);
        w.key(Qt::Key_2, Qt::ControlModifier);
        QVERIFY(w.trees().form() == TreeForm::Nodes);
        w.key(Qt::Key_3, Qt::ControlModifier);
        QVERIFY(w.trees().form() == TreeForm::Map);
        // Zooming into one page leads back to its tables, away from them to the map.
        MapView& map = w.trees().map();
        for (int i = 0; i < 120 && w.trees().form() == TreeForm::Map; ++i)
            wheel(map, QPoint(static_cast<int>(map.xOf(4.5)), map.stripRect(1).center().y()), 1);
        QVERIFY(w.trees().form() == TreeForm::Nodes);
        NodesView& nodes = w.trees().nodes();
        for (int i = 0; i < 40 && w.trees().form() == TreeForm::Nodes; ++i)
            wheel(*nodes.viewport(), nodes.viewport()->rect().center(), -1, Qt::ControlModifier);
        QVERIFY(w.trees().form() == TreeForm::Map);
        w.key(Qt::Key_1, Qt::ControlModifier);
        wheel(*w.trees().list().viewport(), QPoint(100, 100), -1, Qt::ControlModifier);
        QVERIFY(w.trees().form() == TreeForm::Map);
    }

    void the_map_zooms_at_the_cursor_pans_by_drag_and_follows_its_minimap() {
        Window w;
        QVERIFY(w.openShipped("resources/machines/huge.yaml"));
        w.context().goTo(w.session().end());
        w.key(Qt::Key_3, Qt::ControlModifier);
        MapView& map = w.trees().map();
        QCOMPARE(map.span(), static_cast<double>(64ull << 18));
        const QRect strip = map.stripRect(1);
        const QPoint at(strip.left() + strip.width() / 3, strip.center().y());
        const u64 under = map.pageAt(at.x());
        wheel(map, at, 3);
        QVERIFY(map.span() < static_cast<double>(64ull << 18) / 2);
        QVERIFY(std::abs(static_cast<double>(map.pageAt(at.x())) - static_cast<double>(under)) <= map.span() / strip.width() + 1);
        const double before = map.start();
        QTest::mousePress(&map, Qt::LeftButton, {}, at);
        QTest::mouseMove(&map, at + QPoint(-60, 0));
        QTest::mouseRelease(&map, Qt::LeftButton, {}, at + QPoint(-60, 0));
        QVERIFY(map.start() > before);
        // The bar of the whole: a click moves what is shown there.
        QTest::mouseClick(&map, Qt::LeftButton, {}, QPoint(strip.left() + strip.width() * 3 / 4, map.height() - 14));
        QVERIFY(std::abs(map.start() + map.span() / 2 - 0.75 * static_cast<double>(64ull << 18)) < static_cast<double>(1ull << 18));
        // Four ranges of 16 MiB, each where it is, in the mirror and in the private tree.
        map.showAll();
        for (const unsigned s : {1u, 2u}) {
            const QImage image = map.grab().toImage();
            const QRect r = map.stripRect(s);
            const QColor leaf = w.context().theme().of(styleAt(kStylePrivateLeaf));
            for (const u64 gib : {1ull, 32ull, 63ull}) {
                const int x = static_cast<int>(map.xOf(static_cast<double>(gib << 18)));
                QVERIFY2(shows(image, QRect(x - 2, r.top() + 2, 5, r.height() - 4), leaf),
                         qPrintable(QString("strip %1, %2 GiB").arg(s).arg(gib)));
            }
            const int x = static_cast<int>(map.xOf(static_cast<double>(48ull << 18)));
            QVERIFY(!shows(image, QRect(x - 2, r.top() + 2, 5, r.height() - 4), leaf));
        }
        QVERIFY(map.textAt(QPoint(static_cast<int>(map.xOf(static_cast<double>(32ull << 18))), map.stripRect(2).center().y()))
                    .contains("leaf"));
        w.key(Qt::Key_Home);
    }

    void a_click_in_the_map_selects_the_entry_and_signs_appear_when_it_is_near() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.key(Qt::Key_3, Qt::ControlModifier);
        MapView& map = w.trees().map();
        map.showPage({4});
        const QPoint at(static_cast<int>(map.xOf(4.5)), map.stripRect(1).center().y());
        QTest::mouseClick(&map, Qt::LeftButton, {}, at);
        QVERIFY(w.context().selection() && w.context().selection()->gfn.v == 4 && w.context().selection()->level == Level::k4K);
        const QString says = map.textAt(at);
        QVERIFY2(says.contains("0x4000") && says.contains("frozen") && says.contains(QString("position %1").arg(w.position())) &&
                     says.contains("vcpu0"),
                 qPrintable(says));
        const QImage image = map.grab().toImage();
        QVERIFY(shows(image, QRect(at.x() - 8, map.stripRect(1).bottom() - 6, 16, 5), w.context().theme().of(styleAt(kStyleFrozen))));
    }

    void painting_costs_what_is_visible() {
        Window w;
        QVERIFY(w.openShipped("resources/machines/huge.yaml"));
        w.context().goTo(w.session().end());
        // 32 tables of 512 entries: a picture of some hundred rows and a few cards.
        QVERIFY(w.trees().list().rows().size() < 400);
        w.key(Qt::Key_2, Qt::ControlModifier);
        QTest::qWait(30);
        NodesView& nodes = w.trees().nodes();
        QVERIFY(nodes.cards() > 20);
        QVERIFY2(nodes.cardsPainted() < nodes.cards(), "cards out of sight are not painted");
    }

    void nodes_stand_at_the_same_height_in_every_pane_and_lead_on_by_arrows() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.key(Qt::Key_2, Qt::ControlModifier);
        QTest::qWait(30);
        NodesView& nodes = w.trees().nodes();
        QCOMPARE(nodes.links(), std::size_t{1}); // the frozen entry
        const QRectF mirror = nodes.entryRect(Column::Mirror, {4}, Level::k4K), secure = nodes.entryRect(Column::Private, {4}, Level::k4K);
        QVERIFY(!mirror.isEmpty() && !secure.isEmpty());
        QVERIFY(qFuzzyCompare(mirror.top(), secure.top()) || qFuzzyCompare(mirror.left(), secure.left()));
        // Levels are columns.
        QVERIFY(nodes.entryRect(Column::Mirror, {0}, Level::k2M).right() < mirror.left());
        // A click selects, Left goes to the entry that leads there.
        w.context().select(Selection{Column::Private, {0}, Level::k4K});
        nodes.horizontalScrollBar()->setValue(0);
        QTest::mouseClick(nodes.viewport(), Qt::LeftButton, {}, nodes.entryRect(Column::Mirror, {0}, Level::k4K).center().toPoint());
        QVERIFY(w.context().selection()->column == Column::Mirror ||
                !nodes.viewport()->rect().contains(nodes.entryRect(Column::Mirror, {0}, Level::k4K).center().toPoint()));
        w.context().select(Selection{Column::Mirror, {4}, Level::k4K});
        w.key(Qt::Key_Left);
        QVERIFY(w.context().selection()->level == Level::k2M);
        w.key(Qt::Key_Right);
        QVERIFY(w.context().selection()->level == Level::k4K);
        w.trigger(Command::Run);
        QCOMPARE(nodes.links(), std::size_t{0});
    }

    void an_ordinary_vm_has_one_strip_and_snp_the_rmp_beside_it() {
        Window w;
        QVERIFY(w.openText("mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - vcpu0: {write: 0}\n"));
        QCOMPARE(w.trees().map().strips(), 1u);
        QVERIFY(w.openShipped("scenarios/lessons/19-snp-page-state-change.yaml"));
        QCOMPARE(w.trees().map().strips(), 2u);
        QVERIFY(w.openShipped(kLesson1));
        QCOMPARE(w.trees().map().strips(), 3u);
    }

    void the_pane_td_names_the_ranges_with_records() {
        Window w;
        QVERIFY(w.openShipped("scenarios/races/32-the-last-page-of-a-range.yaml"));
        w.raise("td");
        QTest::failOnWarning(QRegularExpression("QString::arg"));
        QString said;
        for (u64 at = 0; at <= w.session().end() && !said.contains("for 1 page<"); at += 10) {
            w.context().goTo(at);
            said = w.child<QWidget>("td").findChild<QLabel*>()->text();
        }
        QVERIFY2(said.contains("PAMT of 0x") && said.contains("for 1 page<"), qPrintable(said));
    }

    void the_legend_dims_states() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        auto& legend = w.child<Legend>("legend");
        const QRect leaf = legend.itemRect(kStylePrivateLeaf);
        QVERIFY(!leaf.isEmpty());
        const QImage before = w.trees().list().grab().toImage();
        QTest::mouseClick(&legend, Qt::LeftButton, {}, leaf.center());
        QCOMPARE(w.context().dimmed(), 1u << kStylePrivateLeaf);
        QTest::qWait(20);
        QVERIFY(w.trees().list().grab().toImage() != before);
        QTest::mouseClick(&legend, Qt::LeftButton, Qt::ControlModifier, legend.itemRect(kStyleFrozen).center());
        QVERIFY((w.context().dimmed() >> kStyleFrozen & 1) == 0 && (w.context().dimmed() >> kStyleTable & 1) == 1);
        w.trigger(Command::ShowAllStates);
        QCOMPARE(w.context().dimmed(), 0u);
        QTest::qWait(20);
        QVERIFY(w.trees().list().grab().toImage() == before);
    }

    // Each state has its own sign, and those that are told apart by nothing else a hatch; all readable in every theme.
    void states_are_told_apart_without_colour() {
        QSet<QString> signs;
        for (unsigned s = 0; s < stateStyles().size(); ++s) {
            const StateStyle& style = styleAt(s);
            if (s != kStyleTableBlocked) // a blocked table is drawn as blocked
                QVERIFY2(!signs.contains(QString::fromUtf8(style.sign.data(), static_cast<int>(style.sign.size()))), style.name.data());
            signs << QString::fromUtf8(style.sign.data(), static_cast<int>(style.sign.size()));
        }
        QVERIFY(styleAt(kStyleFrozen).hatch != styleAt(kStyleBlocked).hatch);
    }

    void the_inspector_leads_to_table_frame_twin_and_td() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.trigger(Command::Run);
        w.context().select(Selection{Column::Mirror, {4}, Level::k4K});
        auto& inspector = w.child<InspectorView>("inspector");
        const TreeCell cell = w.session().cell(Column::Mirror, {4}, Level::k4K);
        auto& links = w.child<QLabel>("inspector-links");
        QVERIFY(links.text().contains(linkToTable(frameOf(cell.place))) && links.text().contains(linkToFrame(cell.pfn)));
        QVERIFY(links.text().contains("memslot 0"));
        Q_EMIT links.linkActivated(linkToTable(frameOf(cell.place)));
        auto& title = w.child<QLabel>("inspector-title");
        QVERIFY(title.text().contains("Table page"));
        auto& fields = w.child<QTreeWidget>("fields");
        auto& history = w.child<QTreeWidget>("history");
        QCOMPARE(history.topLevelItemCount(), 2); // its entries
        const auto rowOf = [&](const QString& name) -> QTreeWidgetItem* {
            for (int i = 0; i < fields.topLevelItemCount(); ++i)
                if (fields.topLevelItem(i)->text(0) == name)
                    return fields.topLevelItem(i);
            return nullptr;
        };
        QVERIFY(rowOf("external_spt") != nullptr);
        Q_EMIT fields.itemClicked(rowOf("external_spt"), 0);
        QVERIFY(rowOf("mirror page") != nullptr);
        Q_EMIT history.itemClicked(history.topLevelItem(1), 0);
        QVERIFY(w.context().subject().kind == Subject::Kind::Entry && w.context().selection()->column == Column::Private &&
                w.context().selection()->gfn.v == 4);
        QCOMPARE(follow(w.context(), linkToFrame(cell.pfn)), QString());
        QVERIFY(inspector.asText().contains("PT_REG"));
        QCOMPARE(follow(w.context(), "mirrorscope://td"), QString());
        QVERIFY(inspector.asText().contains("RUNNABLE"));
    }

    void the_inspector_shows_where_a_vcpu_is_and_who_holds_a_lock() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        QCOMPARE(follow(w.context(), "mirrorscope://actor/vcpu0"), QString());
        auto& inspector = w.child<InspectorView>("inspector");
        QString text = inspector.asText();
        QVERIFY2(text.contains("vcpu0 is inside of") && text.contains("set_external_spte_present") && text.contains("kvm_tdp_mmu_map"),
                 qPrintable(text));
        QVERIFY2(text.contains("▸ seamcall.enter"), qPrintable(text));
        auto& history = w.child<QTreeWidget>("history");
        const u64 step = history.topLevelItem(0)->text(0).toULongLong();
        Q_EMIT history.itemClicked(history.topLevelItem(0), 0);
        QCOMPARE(w.position(), step);
        w.context().goTo(w.session().pauses().front());
        QCOMPARE(follow(w.context(), "mirrorscope://lock/mmu_lock"), QString());
        text = inspector.asText();
        QVERIFY2(text.contains("vcpu0") && text.contains("holds it for reading"), qPrintable(text));
        QVERIFY(follow(w.context(), "mirrorscope://actor/vcpu7").contains("no actor"));
    }

    void a_history_tells_the_fields_that_changed() {
        Window w;
        QVERIFY(w.openShipped(kLesson1));
        w.context().select(Selection{Column::Private, {4}, Level::k4K});
        w.trigger(Command::Run);
        auto& history = w.child<QTreeWidget>("history");
        bool accepted = false;
        for (int i = 0; i < history.topLevelItemCount(); ++i)
            accepted |= history.topLevelItem(i)->text(1) == "pending → mapped" && history.topLevelItem(i)->text(3).contains("TDP 1 → 0");
        QVERIFY(accepted);
    }

    // What somebody keeps pressing: a thousand steps forward and back end in the same picture.
    void a_thousand_steps_forward_and_back_end_where_they_began() {
        Window w;
        QVERIFY(w.openShipped("scenarios/lessons/04-convert-and-back.yaml"));
        w.context().goTo(0);
        const QImage before = w.trees().list().viewport()->grab().toImage();
        const u64 steps = std::min<u64>(1000, w.session().end());
        for (u64 n = 0; n < steps; ++n)
            w.trigger(Command::MicroForward);
        QCOMPARE(w.position(), steps);
        for (u64 n = 0; n < steps; ++n)
            w.trigger(Command::MicroBack);
        QCOMPARE(w.position(), u64{0});
        QTest::qWait(20);
        QCOMPARE(w.trees().list().viewport()->grab().toImage(), before);
    }

    // Opens the 64 GiB machine, zooms from end to end, and says how long frames took: figures, not limits.
    void stress_the_huge_machine_from_64_gib_to_one_page() {
        Window w;
        w.window->resize(1920, 1080);
        QVERIFY(w.openShipped("resources/machines/huge.yaml"));
        w.context().goTo(w.session().end());
        w.trigger(Command::FormMap);
        MapView& map = w.trees().map();
        QTest::qWait(50);
        w.context().frameTimes().clear();
        for (const double centre : {2048.0, 1048576.0 * 8, 1048576.0 * 15.75})
            for (double span = static_cast<double>(64ull << 18); span > 1; span /= 1.25) {
                map.show(centre - span / 2, span);
                map.repaint();
            }
        map.showAll();
        for (int i = 0; i < 100; ++i) {
            w.context().goTo(w.session().end() * static_cast<u64>(i * 37 % 100) / 100);
            map.repaint();
        }
        FrameTimes& times = w.context().frameTimes();
        QVERIFY(times.count("map") > 200);
        qInfo("map: %zu frames, median %.2f ms, p99 %.2f ms, longest %.2f ms", times.count("map"), times.percentile("map", 0.5),
              times.percentile("map", 0.99), times.percentile("map", 1));
        qInfo("seek: median %.2f ms, p99 %.2f ms", times.percentile("seek", 0.5), times.percentile("seek", 0.99));
    }
};

QTEST_MAIN(TreesTest)
#include "trees_test.moc"
