import { type DynamicModule, Module } from '@nestjs/common';
import { ServiceModule } from '#libs/boot/service.module.js';
import type { ConsoleSettings } from './console.settings.js';

@Module({})
export class ConsoleModule {
  static register(settings: ConsoleSettings): DynamicModule {
    return { module: ConsoleModule, imports: [ServiceModule.register('console', settings)] };
  }
}
