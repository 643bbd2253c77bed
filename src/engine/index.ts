export { Engine, type EngineObserver, type EngineOptions, type EngineRound } from './engine.ts';
export { explain, Scheduler, type ScheduleView, schedule } from './schedule.ts';
