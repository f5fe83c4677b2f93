// The yearly inspection plan for Timefold and OptaPlanner: the rules of the article's case as constraint streams.
//
// SOLVER is replaced by the package of the library. Days are working days counted from 0; an interval is (start, end).
// The daily limit is left out: where it equals the number of areas, an area for every device alone implies it.

import SOLVER.api.domain.entity.PlanningEntity;
import SOLVER.api.domain.lookup.PlanningId;
import SOLVER.api.domain.solution.PlanningEntityCollectionProperty;
import SOLVER.api.domain.solution.PlanningScore;
import SOLVER.api.domain.solution.PlanningSolution;
import SOLVER.api.domain.solution.ProblemFactCollectionProperty;
import SOLVER.api.domain.valuerange.CountableValueRange;
import SOLVER.api.domain.valuerange.ValueRangeFactory;
import SOLVER.api.domain.valuerange.ValueRangeProvider;
import SOLVER.api.domain.variable.PlanningVariable;
import SOLVER.api.score.buildin.hardsoft.HardSoftScore;
import SOLVER.api.score.stream.Constraint;
import SOLVER.api.score.stream.ConstraintCollectors;
import SOLVER.api.score.stream.ConstraintFactory;
import SOLVER.api.score.stream.ConstraintProvider;
import SOLVER.api.score.stream.Joiners;
import SOLVER.api.solver.SolverFactory;
import SOLVER.config.constructionheuristic.ConstructionHeuristicPhaseConfig;
import SOLVER.config.constructionheuristic.ConstructionHeuristicType;
import SOLVER.config.localsearch.LocalSearchPhaseConfig;
import SOLVER.config.localsearch.decider.acceptor.LocalSearchAcceptorConfig;
import SOLVER.config.localsearch.decider.forager.LocalSearchForagerConfig;
import SOLVER.config.solver.EnvironmentMode;
import SOLVER.config.solver.SolverConfig;
import SOLVER.impl.solver.DefaultSolver;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

public class InspectionPlan {
    // One problem a process: static fields are the cheapest a constraint can read.
    static int[] calendarDay;
    static int[] month;
    static boolean[] busy;
    static int limitDays;
    static int spacingDays;
    static int busyMost;
    static int areaWeight;
    static int limitWeight;
    static int intervalDays;
    static int intervalWeight;
    static int busyWeight;
    static int spacingWeight;
    static int levellingWeight;
    static Integer[] boxed;

    @PlanningEntity
    public static class Device {
        @PlanningId
        public String id;
        public int type;
        public int workDays;
        public int startDays;
        public int previousEnd;
        public int monthlyTenths;
        public boolean counted;

        @PlanningVariable(valueRangeProviderRefs = "days")
        public Integer start;

        @PlanningVariable(valueRangeProviderRefs = "areas")
        public Integer area;

        public Device() {}

        @ValueRangeProvider(id = "days")
        public CountableValueRange<Integer> getDays() {
            return ValueRangeFactory.createIntValueRange(0, startDays);
        }

        public Integer getStart() {
            return start;
        }

        public void setStart(Integer start) {
            this.start = start;
        }

        public Integer getArea() {
            return area;
        }

        public void setArea(Integer area) {
            this.area = area;
        }

        public int getType() {
            return type;
        }

        public Integer end() {
            return start + workDays;
        }

        public Integer date() {
            return calendarDay[start];
        }

        public Integer spacedUntil() {
            return calendarDay[start] + spacingDays;
        }

        public int interval() {
            return calendarDay[start] - previousEnd;
        }

        public boolean touchesBusy() {
            return counted && !busyDays().isEmpty();
        }

        public List<Integer> busyDays() {
            List<Integer> days = new ArrayList<>(workDays);
            for (int day = start; day < start + workDays; day++) {
                if (busy[day]) {
                    days.add(boxed[day]);
                }
            }
            return days;
        }
    }

    @PlanningSolution
    public static class Plan {
        @PlanningEntityCollectionProperty
        public List<Device> devices;

        @ValueRangeProvider(id = "areas")
        @ProblemFactCollectionProperty
        public List<Integer> areas;

        @PlanningScore
        public HardSoftScore score;

        public Plan() {}
    }

    public static class Rules implements ConstraintProvider {
        @Override
        public Constraint[] defineConstraints(ConstraintFactory factory) {
            return new Constraint[] {
                factory.forEachUniquePair(
                                Device.class,
                                Joiners.equal(Device::getArea),
                                Joiners.overlapping(Device::getStart, Device::end))
                        .penalize(
                                HardSoftScore.ONE_HARD,
                                (a, b) -> areaWeight * (Math.min(a.end(), b.end()) - Math.max(a.start, b.start)))
                        .asConstraint("area_exclusive"),
                factory.forEach(Device.class)
                        .filter(device -> device.interval() > limitDays)
                        .penalize(HardSoftScore.ONE_HARD, device -> limitWeight * (device.interval() - limitDays))
                        .asConstraint("return_limit"),
                factory.forEach(Device.class)
                        .filter(Device::touchesBusy)
                        .flattenLast(Device::busyDays)
                        .groupBy(day -> day, ConstraintCollectors.count())
                        .filter((day, count) -> count > busyMost)
                        .penalize(HardSoftScore.ONE_SOFT, (day, count) -> busyWeight * (count - busyMost))
                        .asConstraint("busy_season"),
                factory.forEachUniquePair(
                                Device.class,
                                Joiners.equal(Device::getType),
                                Joiners.overlapping(Device::date, Device::spacedUntil))
                        .penalize(
                                HardSoftScore.ONE_SOFT,
                                (a, b) -> spacingWeight
                                        * (spacingDays - Math.abs(calendarDay[a.start] - calendarDay[b.start])))
                        .asConstraint("same_type_spacing"),
                factory.forEach(Device.class)
                        .filter(device -> device.interval() < intervalDays)
                        .penalize(HardSoftScore.ONE_SOFT, device -> intervalWeight * (intervalDays - device.interval()))
                        .asConstraint("return_interval"),
                // (share - count)² - share², in hundredths; the constant of the months without a start is added at the end.
                factory.forEach(Device.class)
                        .groupBy(
                                Device::getType,
                                device -> month[device.start],
                                ConstraintCollectors.max((Device device) -> device.monthlyTenths),
                                ConstraintCollectors.count())
                        .impact(
                                HardSoftScore.ONE_SOFT,
                                (type, in, share, count) -> levellingWeight
                                        * (share * share - (10 * count - share) * (10 * count - share))
                                        / 100)
                        .asConstraint("monthly_levelling"),
            };
        }
    }

    /** Arguments: problem file, file for the plan, seconds. */
    public static void main(String[] arguments) throws IOException {
        Plan problem = read(Files.readAllLines(Path.of(arguments[0])));
        SolverConfig config = new SolverConfig()
                .withSolutionClass(Plan.class)
                .withEntityClasses(Device.class)
                .withConstraintProviderClass(Rules.class)
                .withEnvironmentMode(EnvironmentMode.NON_REPRODUCIBLE)
                .withRandomSeed(0L)
                .withTerminationSpentLimit(Duration.ofSeconds(Long.parseLong(arguments[2])))
                .withPhases(
                        new ConstructionHeuristicPhaseConfig()
                                .withConstructionHeuristicType(ConstructionHeuristicType.FIRST_FIT),
                        new LocalSearchPhaseConfig()
                                .withAcceptorConfig(new LocalSearchAcceptorConfig().withLateAcceptanceSize(80))
                                .withForagerConfig(new LocalSearchForagerConfig().withAcceptedCountLimit(1)));
        DefaultSolver<Plan> solver =
                (DefaultSolver<Plan>) SolverFactory.<Plan>create(config).buildSolver();
        long beganCpu = cpuNanoseconds();
        long began = System.nanoTime();
        Plan plan = solver.solve(problem);
        double seconds = (System.nanoTime() - began) / 1e9;
        double cpuSeconds = (cpuNanoseconds() - beganCpu) / 1e9;
        StringBuilder rows = new StringBuilder();
        for (Device device : plan.devices) {
            rows.append(device.id).append(' ').append(device.start).append(' ').append(device.area).append('\n');
        }
        Files.writeString(Path.of(arguments[1]), rows.toString());
        System.out.printf(
                "RESULT %d %f %f%n", solver.getSolverScope().getScoreCalculationCount(), seconds, cpuSeconds);
    }

    private static Plan read(List<String> lines) {
        int[] rules = numbers(lines.get(0));
        limitDays = rules[0];
        limitWeight = rules[1];
        intervalDays = rules[2];
        intervalWeight = rules[3];
        spacingDays = rules[4];
        spacingWeight = rules[5];
        busyMost = rules[6];
        busyWeight = rules[7];
        levellingWeight = rules[8];
        areaWeight = rules[9];
        int areas = rules[10];
        calendarDay = numbers(lines.get(1));
        month = numbers(lines.get(2));
        int[] inSeason = numbers(lines.get(3));
        busy = new boolean[inSeason.length];
        boxed = new Integer[inSeason.length];
        for (int day = 0; day < inSeason.length; day++) {
            busy[day] = inSeason[day] == 1;
            boxed[day] = day;
        }
        Plan plan = new Plan();
        plan.areas = IntStream.range(0, areas).boxed().toList();
        plan.devices = new ArrayList<>();
        for (String line : lines.subList(4, lines.size())) {
            String[] cells = line.split(" ");
            Device device = new Device();
            device.id = cells[0];
            device.type = Integer.parseInt(cells[1]);
            device.workDays = Integer.parseInt(cells[2]);
            device.startDays = Integer.parseInt(cells[3]);
            device.previousEnd = Integer.parseInt(cells[4]);
            device.monthlyTenths = Integer.parseInt(cells[5]);
            device.counted = cells[6].equals("1");
            plan.devices.add(device);
        }
        return plan;
    }

    private static int[] numbers(String line) {
        return Arrays.stream(line.split(" ")).mapToInt(Integer::parseInt).toArray();
    }

    private static long cpuNanoseconds() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
    }
}
