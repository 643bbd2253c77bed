export { Engine, type EngineObserver, type EngineOptions, type EngineRound } from './engine.ts';
export { explain, Scheduler, type ScheduleView, scheduleOnce } from './schedule-once.ts';
