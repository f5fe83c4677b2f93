"""Equations of the machines, each as a function of its state: hydraulics, heat exchange, reaction, gas holdup.

The process: a pump lifts the feed through a control valve into a counter-current exchanger heated by molten salt;
the preheated vapour reacts exothermically in a cooled, well-mixed catalytic reactor; a valve at its outlet holds
the pressure. Sizes are those of a pilot plant at 100 kg/h.
"""

import math

SUCTION_BAR = 1.0
LIQUID_DENSITY = 0.8
"""Density of the feed over that of water [1]."""
HEAT_CAPACITY = 2.4
"""Of the feed, liquid and vapour alike [kJ/(kg K)]."""
SALT_HEAT_CAPACITY = 1.55
"""Of the nitrate salt, molten above 142 °C [kJ/(kg K)]."""

PUMP_SHUTOFF_BAR = 14.0
PUMP_DROP_BAR = 3.0
"""Head lost to the square of the flow, at 100 kg/h [bar]."""
PUMP_EFFICIENCY = 0.35
LINE_DROP_BAR = 0.4
"""Friction from the valve to the reactor, at 100 kg/h [bar]."""
FLOW_VALVE_KV = 0.16
"""Flow of water at 1 bar through the open valve [m³/h]."""
RANGEABILITY = 50.0

SALT_FLOW_MAX = 600.0
"""Through the open salt valve [kg/h]."""
CLEAN_RESISTANCE = 9.0
"""1/UA of the clean exchanger [K/kW]."""

REACTION_HEAT = 300.0
"""Released per kilogram of feed that becomes product [kJ/kg]."""
REACTOR_CAPACITY = 48.0
"""Heat capacity of bed, gas and wall [kJ/K]."""
COOLING_UA = 0.055
"""UA of the cooling coil with its valve open [kW/K]."""
COOLANT_C = 200.0

GAS_VOLUME_M3 = 0.2
MOLAR_MASS = 0.08
"""Of the reactor gas [kg/mol]."""
GAS_CONSTANT = 8.314
OUTLET_CAPACITY = 33.0
"""Choked flow through the open outlet valve, per bar in front of it [kg/(h bar)]."""


def pump_flow(valve_pct: float, reactor_bar: float, head_factor: float) -> float:
    """Flow where pump and system meet [kg/h].

    Pump: Δp = k (14 - 3 q²), q = flow / 100 kg/h, k the part of the head that wear has left. System: the reactor's
    pressure, line friction 0.4 q², and the valve's Δp = G (Q / (Kv R^(x-1)))², equal percentage with R = 50. All
    are quadratic in the flow, so the crossing has a closed form; it is 0 where the head does not suffice.

    References
    ----------
    .. [1] Karassik et al. (2008), Pump Handbook: head curves, wear of impeller and rings lowers the head.
    .. [2] IEC 60534-2-1, sizing equations for control valves: liquids.
    """
    driving_bar = head_factor * PUMP_SHUTOFF_BAR + SUCTION_BAR - reactor_bar
    if driving_bar <= 0.0:
        return 0.0
    opening_kv = FLOW_VALVE_KV * RANGEABILITY ** (valve_pct / 100.0 - 1.0)
    # 100 kg/h of this liquid in m³/h, the unit of Kv.
    volume_m3_h = 100.0 / (1000.0 * LIQUID_DENSITY)
    valve_bar = LIQUID_DENSITY * (volume_m3_h / opening_kv) ** 2
    return 100.0 * math.sqrt(driving_bar / (head_factor * PUMP_DROP_BAR + LINE_DROP_BAR + valve_bar))


def discharge_pressure(flow_kg_h: float, head_factor: float) -> float:
    """Pressure behind the pump [bar]: suction plus the head left at this flow."""
    return SUCTION_BAR + head_factor * (PUMP_SHUTOFF_BAR - PUMP_DROP_BAR * (flow_kg_h / 100.0) ** 2)


def motor_power(flow_kg_h: float, head_factor: float) -> float:
    """Power of the pump's motor [W]: hydraulic power over efficiency, plus 20 W that turn nothing.

    A worn pump wastes what it does not put into head, so the power follows the new pump's curve.
    """
    new_head_pa = 1e5 * (discharge_pressure(flow_kg_h, 1.0) - SUCTION_BAR)
    volume_m3_s = flow_kg_h / 3600.0 / (1000.0 * LIQUID_DENSITY)
    wear_loss = 1.0 + 0.3 * (1.0 - head_factor)
    return 20.0 + wear_loss * new_head_pa * volume_m3_s / PUMP_EFFICIENCY


def exchanger_outlets(
    flow_kg_h: float, feed_c: float, salt_pct: float, salt_c: float, fouling_factor: float
) -> tuple[float, float]:
    """Steady outlet temperatures of feed and salt [°C].

    Counter-current exchanger by effectiveness and number of transfer units: ε = (1 - e) / (1 - C e) with
    e = exp(-NTU (1 - C)), NTU = UA / C_min, 1/UA = fouling factor / UA_clean; the heat is ε C_min (T_salt - T_feed).

    References
    ----------
    .. [1] Incropera et al. (2007), Fundamentals of Heat and Mass Transfer, section 11.4 and 11.2 (fouling).
    """
    feed_kw_k = max(flow_kg_h, 1.0) / 3600.0 * HEAT_CAPACITY
    salt_kw_k = max(salt_pct / 100.0 * SALT_FLOW_MAX, 1.0) / 3600.0 * SALT_HEAT_CAPACITY
    small, large = sorted((feed_kw_k, salt_kw_k))
    units = 1.0 / (CLEAN_RESISTANCE * fouling_factor) / small
    ratio = small / large
    if math.isclose(ratio, 1.0, abs_tol=1e-9):
        effectiveness = units / (1.0 + units)
    else:
        decay = math.exp(-units * (1.0 - ratio))
        effectiveness = (1.0 - decay) / (1.0 - ratio * decay)
    heat_kw = effectiveness * small * (salt_c - feed_c)
    return feed_c + heat_kw / feed_kw_k, salt_c - heat_kw / salt_kw_k


def reactor_heating(
    flow_kg_h: float, inlet_c: float, reactor_c: float, yield_fraction: float, coolant_pct: float
) -> float:
    """Rate of change of the reactor's temperature [K/s], from the energy balance of a well-mixed reactor.

    C dT/dt = m cp (T_in - T) + m ΔH y - u UA (T - T_coolant).

    References
    ----------
    .. [1] Fogler (2016), Elements of Chemical Reaction Engineering, unsteady energy balance of a stirred reactor.
    """
    flow_kg_s = flow_kg_h / 3600.0
    sensible_kw = flow_kg_s * HEAT_CAPACITY * (inlet_c - reactor_c)
    reaction_kw = flow_kg_s * REACTION_HEAT * yield_fraction
    cooling_kw = coolant_pct / 100.0 * COOLING_UA * (reactor_c - COOLANT_C)
    return (sensible_kw + reaction_kw - cooling_kw) / REACTOR_CAPACITY


def pressure_rise(flow_kg_h: float, pressure_bar: float, reactor_c: float, outlet_pct: float) -> float:
    """Rate of change of the reactor's pressure [bar/s], from the mass balance of an ideal gas.

    V M / (R T) dP/dt = m_in - m_out; the flow out is choked (6 bar into 1 bar), so it grows with the pressure in
    front of the valve and not with what is behind.

    References
    ----------
    .. [1] IEC 60534-2-1, sizing equations for control valves: choked compressible flow.
    """
    holdup_kg_bar = 1e5 * GAS_VOLUME_M3 * MOLAR_MASS / (GAS_CONSTANT * (reactor_c + 273.15))
    outflow_kg_h = outlet_pct / 100.0 * OUTLET_CAPACITY * pressure_bar
    return (flow_kg_h - outflow_kg_h) / 3600.0 / holdup_kg_bar
