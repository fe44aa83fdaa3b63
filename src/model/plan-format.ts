// Apart from the plan's schema, so that who needs only these does not pay for building it.

/** Version of the plan document. Additive changes only within one major; readers must tolerate new enum members. */
export const PLAN_FORMAT = "1.0";

/** What stands for a masked value wherever people or machines read a plan. */
export const MASKED = "(sensitive)";
