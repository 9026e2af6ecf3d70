/**
 * @param {number} code
 * @returns {Verdict}
 */
export function verdict(code: number): Verdict;
export type Verdict = {
    next: "at_once";
} | {
    next: "back_off";
} | {
    next: "token";
    change: string;
} | {
    next: "stop";
    change: string;
};
